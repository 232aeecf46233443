import { credentials, makeGenericClientConstructor } from '@grpc/grpc-js';
import type { ClientDuplexStream } from '@grpc/grpc-js';
import { encodeAgentMessage, FLEET_SERVICE } from '../../proto/fleet.ts';
import type { CollectorMessage } from '../../proto/fleet.ts';
import type { Issued } from '../../service/tls/issue.ts';
import { benchNode, readTemplates } from './changes.ts';
import type { BenchNode, Phase, Traffic } from './changes.ts';
import type { Ask } from './roles.ts';
import { watchEvents } from './watch.ts';
import type { Watcher } from './watch.ts';

type Call = ClientDuplexStream<Buffer, CollectorMessage>;

interface Link {
  readonly node: BenchNode;
  readonly call: Call;
  readonly acked: (sequence: number) => Promise<void>;
}

/** A process that speaks for many nodes. Traffic is made before it is asked for, so that sending costs little. */
export function sender(options: {
  readonly address: string;
  readonly ca: string;
  readonly identities: readonly { readonly nodeId: string; readonly issued: Issued }[];
  readonly templates: string;
  readonly findingsPerNode: number;
}): (ask: Ask) => Promise<unknown> {
  const templates = readTemplates(options.templates);
  let links: readonly Link[] = [];
  let prepared: readonly Traffic[] = [];
  let watcher: Watcher | undefined;
  return async (ask) => {
    if (ask.do === 'prepare') {
      if (links.length === 0)
        links = await Promise.all(
          options.identities.map(({ nodeId, issued }) =>
            open(options, issued, benchNode(nodeId, templates, options.findingsPerNode)),
          ),
        );
      prepared = links.map(({ node }) => node.next(ask.phase as Phase, ask.changes ?? 0));
      return {
        changes: prepared.reduce((sum, { changes }) => sum + changes, 0),
        bytes: prepared.flatMap(({ messages }) => messages).reduce((sum, { length }) => sum + length, 0),
      };
    }
    if (ask.do === 'send') {
      await Promise.all(links.map((link, index) => send(link, prepared[index] as Traffic, ask.acked !== false)));
      return undefined;
    }
    if (ask.do === 'watch') {
      watcher = await watchEvents(ask.at ?? 0);
      return undefined;
    }
    if (ask.do === 'seen') return await watcher?.seen(ask.at ?? 0);
    for (const { call } of links) call.end();
    return links.map(({ node }) => ({ nodeId: node.id, digest: node.digest(), findings: node.findings() }));
  };
}

async function send({ call, acked }: Link, { messages, lastSequence }: Traffic, wait: boolean): Promise<void> {
  for (const message of messages)
    if (!call.write(message)) await new Promise<void>((resolve) => void call.once('drain', resolve));
  if (wait) await acked(lastSequence);
}

async function open(
  { address, ca }: { readonly address: string; readonly ca: string },
  { keyPem, certificatePem }: Issued,
  node: BenchNode,
): Promise<Link> {
  const service = { Session: { ...FLEET_SERVICE.Session, requestSerialize: (bytes: Buffer) => bytes } };
  const Client = makeGenericClientConstructor(service, 'Fleet');
  const tls = credentials.createSsl(Buffer.from(ca), Buffer.from(keyPem), Buffer.from(certificatePem));
  const client = new Client(address, tls, {
    'grpc.use_local_subchannel_pool': 1,
    'grpc.ssl_target_name_override': 'localhost',
  });
  const session = client['Session'] as unknown as () => Call;
  const call = session.call(client);
  let highest = 0;
  let heard = Promise.withResolvers<void>();
  call.on('data', ({ ack, welcome, resync }: CollectorMessage) => {
    highest = Math.max(highest, ack?.sequence ?? 0);
    if (ack || welcome) heard.resolve();
    if (resync) throw new Error(`the collector wants a resync: ${resync.reason ?? ''}`);
  });
  const { promise: failed, reject: fail } = Promise.withResolvers<never>();
  call.on('error', (error) => fail(error));
  failed.catch(() => undefined);
  call.write(encodeAgentMessage({ hello: { epoch: 'bench', agentVersion: 'bench', nodeName: node.id } }));
  await Promise.race([heard.promise, failed]);
  const acked = async (sequence: number): Promise<void> => {
    while (highest < sequence) {
      heard = Promise.withResolvers();
      await Promise.race([heard.promise, failed]);
    }
  };
  return { node, call, acked };
}
