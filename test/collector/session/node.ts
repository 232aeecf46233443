import { credentials, makeGenericClientConstructor, status } from '@grpc/grpc-js';
import type { ClientDuplexStream, ServiceDefinition } from '@grpc/grpc-js';
import { FLEET_SERVICE } from '../../../proto/fleet.ts';
import type { AgentMessage, CollectorMessage } from '../../../proto/fleet.ts';
import { certificateFor as issueFor, generateKeyPair, issueCertificate } from '../../../service/tls/issue.ts';
import type { Issued, Issuer } from '../../../service/tls/issue.ts';

/** The certificates of one fleet. */
export interface Fleet {
  readonly authority: Issued;
  readonly server: Issued;
  readonly node: (nodeId: string, nowMs?: number) => Promise<Issued>;
}

/** A new authority, with a certificate for a collector on 127.0.0.1. */
export async function newFleet(): Promise<Fleet> {
  const authority = await issueCertificate({ kind: 'authority' }, undefined, Date.now());
  const names = ['127.0.0.1', 'localhost'];
  return {
    authority,
    server: await issueCertificate({ kind: 'server', names }, authority, Date.now()),
    node: (nodeId, nowMs = Date.now()) => issueCertificate({ kind: 'node', nodeId }, authority, nowMs),
  };
}

/** A certificate of a node that is valid for `validityMs` from `nowMs` on. */
export async function certificateFor(
  nodeId: string,
  issuer: Issuer,
  { nowMs, validityMs }: { readonly nowMs: number; readonly validityMs: number },
): Promise<Issued> {
  const { keys, keyPem } = await generateKeyPair();
  const { publicKey } = keys;
  const certificatePem = await issueFor({ kind: 'node', nodeId }, { publicKey, issuer, nowMs, validityMs });
  return { certificatePem, keyPem };
}

/** What kind a message is. */
export type Kind = 'welcome' | 'ack' | 'resync' | 'query' | 'cancel' | 'drain' | 'inventoryRequest';

/** A node at the other end of a real connection, which says exactly what a test wants. */
export interface TestNode {
  readonly call: ClientDuplexStream<AgentMessage, CollectorMessage>;
  readonly say: (message: AgentMessage) => void;
  /** The next message of the collector; rejects if the session is over before. */
  readonly hear: () => Promise<CollectorMessage>;
  /** The next message, which must be of this kind. */
  readonly hearA: <K extends Kind>(kind: K) => Promise<NonNullable<CollectorMessage[K]>>;
  /** What was heard and not taken yet. */
  readonly heard: () => readonly CollectorMessage[];
  readonly ended: Promise<{ readonly code: number; readonly name: string; readonly details: string }>;
  readonly close: () => void;
}

/** How to dial. */
export interface DialOptions {
  readonly address: string;
  readonly ca: string;
  readonly identity?: Issued;
  /** Name in the certificate of the collector, where it is not the host of the address. */
  readonly serverName?: string;
  /** Bytes instead of messages. */
  readonly raw?: boolean;
}

/** Dials the collector and opens a session. */
export function dial({ address, ca, identity, serverName, raw }: DialOptions): TestNode {
  const service = {
    Session: {
      ...FLEET_SERVICE.Session,
      ...(raw === true ? { requestSerialize: (bytes: Buffer) => bytes } : {}),
    },
  } as unknown as ServiceDefinition;
  const Client = makeGenericClientConstructor(service, 'Fleet');
  const [key, cert] = [identity?.keyPem, identity?.certificatePem];
  const client = new Client(
    address,
    credentials.createSsl(Buffer.from(ca), key ? Buffer.from(key) : null, cert ? Buffer.from(cert) : null),
    {
      'grpc.enable_retries': 0,
      'grpc.max_send_message_length': -1,
      'grpc.use_local_subchannel_pool': 1,
      ...(serverName === undefined ? {} : { 'grpc.ssl_target_name_override': serverName }),
    },
  );
  const open = client['Session'] as unknown as () => ClientDuplexStream<AgentMessage, CollectorMessage>;
  const call = open.call(client);
  const { promise: ended, resolve: end } = Promise.withResolvers<Awaited<TestNode['ended']>>();
  const messages: CollectorMessage[] = [];
  let arrived = Promise.withResolvers<void>();
  let over: string | undefined;
  call.on('data', (message: CollectorMessage) => {
    messages.push(message);
    arrived.resolve();
  });
  call.on('error', () => undefined);
  call.on('status', ({ code, details }) => {
    over = `${status[code]}: ${details}`;
    arrived.resolve();
    end({ code, name: status[code], details });
    client.close();
  });
  const hear = async (): Promise<CollectorMessage> => {
    for (;;) {
      const message = messages.shift();
      if (message !== undefined) return message;
      if (over !== undefined) throw new Error(`the session is over, ${over}`);
      arrived = Promise.withResolvers();
      await arrived.promise;
    }
  };
  return {
    call,
    say: (message) => void call.write(message),
    hear,
    hearA: async (kind) => {
      const message = await hear();
      const body = message[kind];
      if (body === undefined || body === null) throw new Error(`no ${kind}, but ${JSON.stringify(message)}`);
      return body;
    },
    heard: () => messages,
    ended,
    close: () => {
      call.cancel();
      client.close();
    },
  };
}
