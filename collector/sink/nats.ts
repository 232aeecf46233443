import { createConnection } from 'node:net';
import type { JetStreamClient, PubAck } from '@nats-io/jetstream';
import type * as Nats from '@nats-io/transport-node';
import type { EventFormat } from '../../service/config/event-format.ts';
import type { Address } from '../../service/config/kind.ts';
import { formatAddress } from '../../service/config/kind.ts';
import { errorCode } from '../../service/files.ts';
import { TlsError } from '../../service/tls/tls-error.ts';
import type { OcsfEvent } from '../event/ocsf/ocsf.ts';
import { viewOf } from '../event/view/view.ts';
import type { StoredEvent } from '../store/stored-event.ts';
import type { ClientTls } from './client-tls.ts';
import { defectOf } from './defect.ts';
import { parseAnswer, readSinkFile, retry } from './http-client.ts';
import { groupsOf, toMessages } from './messages.ts';
import type { Message } from './messages.ts';
import type { Sink, SinkOutcome } from './sink.ts';

/** What the sink needs. */
export interface NatsSinkOptions {
  readonly name: string;
  /** Makes the events of a batch, in order. */
  readonly render: (batch: readonly StoredEvent[]) => Promise<readonly OcsfEvent[]>;
  /** Of the messages; absent: OCSF. */
  readonly format?: EventFormat;
  readonly address: Address;
  /** Read for each connection; undefined: without TLS. Rejects with TlsError. */
  readonly loadTls: () => Promise<ClientTls | undefined>;
  /** File with a token, `user:password`, the seed of an nkey or a credentials file of NATS; `none`. */
  readonly credentialsFile: string;
  readonly subject: string;
  /** Name of the stream that must store the events; empty: any that has the subject. */
  readonly stream: string;
  /** Within which an event must be acknowledged; absent: 20 s. */
  readonly ackMs?: number;
}

const CONNECT_MS = 10_000;
const ACK_MS = 20_000;
const PING_MS = 20_000;
/** Payloads that are on their way without acknowledgement. */
const GROUP_BYTES = 4 * 1024 ** 2;
/** Room for the headers of a message. */
const HEADER_BYTES = 1024;
/** A server that accepts less than this is not one for events. */
const LEAST_PAYLOAD_BYTES = 8 * 1024;
const MOST_PAYLOAD_BYTES = 1024 ** 2;
/** Error of JetStream for a message that is larger than its stream allows. */
const MESSAGE_TOO_LARGE = 10_054;

interface Open {
  readonly connection: Nats.NatsConnection;
  readonly jetStream: JetStreamClient;
  readonly maxBytes: number;
}

/**
 * JetStream of NATS: https://docs.nats.io/nats-concepts/jetstream. One message for each event, with its uid as `Nats-Msg-Id`,
 * by which a stream recognizes what comes again. A batch is delivered once the stream has acknowledged each message.
 */
export function createNatsSink(options: NatsSinkOptions): Sink {
  const { name, render, subject, stream, ackMs = ACK_MS } = options;
  const view = viewOf(options.format ?? 'ocsf');
  const where = formatAddress(options.address);
  const closing = new AbortController();
  let open: Open | undefined;
  const drop = (): void => {
    // Nothing is waited for: a server that does not answer must not hold anything up.
    open?.connection.close().catch(() => undefined);
    open = undefined;
  };
  const publish = async ({ jetStream }: Open, { uid, payload }: Message): Promise<PubAck> => {
    const expect = stream === '' ? {} : { expect: { streamName: stream } };
    const ack = await jetStream.publish(subject, payload, { msgID: uid, timeout: ackMs, ...expect });
    if (!Number.isSafeInteger(ack.seq) || ack.seq <= 0 || (stream !== '' && ack.stream !== stream))
      throw new RangeError('an acknowledgement is not one of the stream');
    return ack;
  };
  const send = async (batch: readonly StoredEvent[]): Promise<SinkOutcome> => {
    const ocsf = await render(batch);
    const to = (open ??= await connect(options));
    if (closing.signal.aborted) return retry(CLOSED);
    const { messages, tooLarge } = toMessages(batch, ocsf, { view, maxBytes: to.maxBytes });
    const rejected = [...tooLarge];
    for (const group of groupsOf(messages, GROUP_BYTES)) {
      const acks = await Promise.allSettled(group.map((message) => publish(to, message)));
      for (const [index, ack] of acks.entries()) {
        if (ack.status === 'fulfilled') continue;
        if (codeOf(ack.reason) !== MESSAGE_TOO_LARGE) throw ack.reason;
        rejected.push(group[index]?.uid ?? '');
      }
    }
    if (rejected.length === 0) return { outcome: 'ok' };
    return { outcome: 'reject', uids: rejected, reason: 'larger than the stream allows' };
  };
  return {
    name,
    send: async (batch) => {
      if (closing.signal.aborted) return retry(CLOSED);
      if (batch.length === 0) return { outcome: 'ok' };
      if (open?.connection.isClosed() === true) drop();
      try {
        return await send(batch);
      } catch (error) {
        drop();
        return retry(closing.signal.aborted ? CLOSED : `${where}: ${reasonOf(error)}`);
      } finally {
        if (closing.signal.aborted) drop();
      }
    },
    close: async () => {
      closing.abort();
      drop();
    },
  };
}

const CLOSED = 'the sink is closed';

/** The packages are loaded only where the sink is used. They are CommonJS: a bundle has only their default export. */
async function connect({ address, loadTls, credentialsFile }: NatsSinkOptions): Promise<Open> {
  const { default: nats } = await import('@nats-io/transport-node');
  const {
    default: { jetstream },
  } = await import('@nats-io/jetstream');
  const secret = await readSinkFile(credentialsFile, 'none');
  const tls = await loadTls();
  // The client passes these on to Node, which verifies an address in the certificate only by `host`.
  const verified = { host: address.host, minVersion: 'TLSv1.2' };
  const connecting = nats.connect({
    servers: formatAddress(address),
    name: 'plimsoll',
    timeout: CONNECT_MS,
    // Connections are opened by the next batch, to the configured server, and with the files as they are then.
    reconnect: false,
    ignoreClusterUpdates: true,
    pingInterval: PING_MS,
    noAsyncTraces: true,
    // With null, a server that demands TLS is refused; with files, one that does not offer it.
    tls: tls === undefined ? null : { ...tls, ...verified },
    ...(secret !== undefined && { authenticator: authenticatorOf(secret, nats) }),
  });
  const connection = await connecting.catch(async (error: unknown) => {
    // The client fails with a TypeError where the server demands TLS and it has no settings for it.
    if (tls === undefined && (await demandsTls(address))) throw new RangeError(DEMANDS_TLS);
    throw error;
  });
  const accepted = connection.info?.max_payload ?? 0;
  if (accepted < LEAST_PAYLOAD_BYTES) {
    connection.close().catch(() => undefined);
    throw new RangeError(`accepts messages of ${String(accepted)} bytes only (max_payload)`);
  }
  const maxBytes = Math.min(accepted, MOST_PAYLOAD_BYTES) - HEADER_BYTES;
  return { connection, jetStream: jetstream(connection), maxBytes };
}

const DEMANDS_TLS = 'the server demands TLS: use tls:// in sink-nats';
/** The server introduces itself in one line, `INFO {…}`. */
const MAX_INFO_BYTES = 64 * 1024;

/** Does the server say in its introduction that it demands TLS? False where it gives none. */
async function demandsTls({ host, port }: Address): Promise<boolean> {
  const socket = createConnection({ host, port, timeout: CONNECT_MS, signal: AbortSignal.timeout(CONNECT_MS) });
  try {
    let text = '';
    for await (const part of socket.setEncoding('utf8')) {
      text += String(part);
      if (text.includes('\r\n') || text.length > MAX_INFO_BYTES) break;
    }
    return parseAnswer(Buffer.from(text.slice('INFO '.length, text.indexOf('\r\n'))))['tls_required'] === true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

function authenticatorOf(secret: string, nats: Omit<typeof Nats, 'default'>): Nats.Authenticator {
  if (secret.includes('BEGIN NATS USER JWT')) return nats.credsAuthenticator(Buffer.from(secret));
  if (/^SU[A-Z2-7]{56}$/.test(secret)) return nats.nkeyAuthenticator(Buffer.from(secret));
  const colon = secret.indexOf(':');
  if (colon === -1) return nats.tokenAuthenticator(secret);
  return nats.usernamePasswordAuthenticator(secret.slice(0, colon), secret.slice(colon + 1));
}

/** The number of an error of JetStream. */
function codeOf(error: unknown): number | undefined {
  const { code } = (typeof error === 'object' && error !== null ? error : {}) as { readonly code?: unknown };
  return typeof code === 'number' ? code : undefined;
}

/** What failed, without any text of the server. */
function reasonOf(error: unknown): string {
  if (error instanceof RangeError || error instanceof TlsError) return error.message;
  const code = codeOf(error);
  if (code !== undefined) return `JetStream refused an event (error ${String(code)})`;
  const { name = '' } = error as { readonly name?: string };
  const known = REASONS[name];
  if (known !== undefined) return known;
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
  return defectOf(cause) ?? `the connection failed (${errorCode(cause).slice(0, 100)})`;
}

/** By the name of the error of the client. */
const REASONS: Readonly<Record<string, string>> = Object.freeze({
  AuthorizationError: 'the server does not accept the credentials in sink-nats-credentials',
  UserAuthenticationExpiredError: 'the credentials in sink-nats-credentials have expired',
  PermissionViolationError: 'the credentials do not permit to publish on sink-nats-subject',
  TimeoutError: 'no answer in time',
  JetStreamNotEnabled: 'no stream has the subject in sink-nats-subject, or JetStream is off',
  ClosedConnectionError: 'the server ended the connection',
});
