import { once } from 'node:events';
import { connect } from 'node:net';
import { join } from 'node:path';
import { duplexPair } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import t from 'tap';
import { createSimulatedAgent } from '../../../bench/fleet/simulated-agent.ts';
import { ensureAuthority } from '../../../service/tls/authority.ts';
import { issueCertificate } from '../../../service/tls/issue.ts';
import { collector, directoryOf } from '../run-collector.ts';
import { on } from './messages.ts';

const AGENTS = 100;
/** Peers that say nothing, and as many that start a handshake and do not continue it. */
const IDLE_PEERS = 150;

/** What a TLS client sends first. */
async function clientHello(): Promise<Buffer> {
  const [near, far] = duplexPair();
  const client = connectTls({ socket: near, minVersion: 'TLSv1.3' }).on('error', () => undefined);
  const [bytes] = (await once(far, 'data')) as [Buffer];
  client.destroy();
  return bytes;
}

await t.test(
  'all agents connect at once after a restart, beside peers that do not continue: no change is lost',
  async (t) => {
    const directory = directoryOf(t);
    const flags = { 'data-dir': directory, 'sink-ndjson': 'off' };
    const first = await collector(t, flags);
    const { listen } = await first.ready;
    const address = `127.0.0.1:${String(listen.port)}`;
    const authority = await ensureAuthority(join(directory, 'tls'), Date.now());
    const before = Array.from({ length: 10 }, (_, index) => on(`c${String(index)}`));
    const findings = before.map((finding) => [finding, { ...finding, verdict: 'pass' as const }] as const);
    const shared = { address, ca: authority.certificatePem, findings, answer: 'true', onAcknowledged: () => undefined };
    const agents = await Promise.all(
      Array.from({ length: AGENTS }, async (_, index) => {
        const nodeId = `n${String(index)}`;
        return createSimulatedAgent(
          nodeId,
          await issueCertificate({ kind: 'node', nodeId }, authority, Date.now()),
          shared,
        );
      }),
    );
    t.teardown(() => {
      for (const agent of agents) agent.close();
    });
    const count = (is: (agent: (typeof agents)[number]) => boolean): number => agents.filter(is).length;
    const settled = async (): Promise<void> => {
      while (count((agent) => agent.counts().isConnected && agent.counts().pending === 0) < AGENTS) await sleep(20);
    };
    for (const agent of agents) agent.connect();
    await settled();

    await first.end();
    for (const agent of agents) agent.change();
    const second = await collector(t, { ...flags, listen: address });
    const hello = await clientHello();
    const idle = Array.from({ length: IDLE_PEERS * 2 }, () => connect(listen.port).on('error', () => undefined));
    for (const socket of idle.slice(IDLE_PEERS)) socket.write(hello);
    t.teardown(() => {
      for (const socket of idle) socket.destroy();
    });
    await second.ready;
    await settled();
    // The collector compares the digest of each with its store, and asks for everything where they differ.
    for (const agent of agents) agent.heartbeat();
    for (const agent of agents) agent.change();
    await settled();
    t.equal(
      count((agent) => agent.counts().resyncs > 0),
      0,
      'nothing had to be sent again',
    );
    t.equal(
      count((agent) => agent.counts().changes === 2),
      AGENTS,
    );
  },
);
