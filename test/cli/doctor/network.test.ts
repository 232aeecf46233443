import { createServer } from 'node:http';
import { createServer as createTcpServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { Test } from 'tap';
import { dialNodesPort } from '../../../cli/doctor/dial-nodes-port.ts';
import { collectorConnection } from '../../../cli/doctor/diagnostics/collector-connection.ts';
import { operatorApi } from '../../../cli/doctor/diagnostics/operator-api.ts';
import { ports } from '../../../cli/doctor/diagnostics/ports.ts';
import { sinks } from '../../../cli/doctor/diagnostics/sinks.ts';
import { takeLock } from '../../../service/lock.ts';
import type { Issued } from '../../../service/tls/issue.ts';
import { createFakeClock } from '../../service/fake-clock.ts';
import { startServer, TOKEN } from '../../collector/api/server.ts';
import { startCollector } from '../../collector/session/collector.ts';
import type { TestCollector } from '../../collector/session/collector.ts';
import { newFleet } from '../../collector/session/node.ts';
import { closedAddress } from '../process.ts';
import { directoryOf, installationOf } from './installation.ts';

const YEAR_MS = 365 * 86_400_000;

/** Listens on a free port of the loopback address until the test is over. */
async function listening(t: Test, server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  return `127.0.0.1:${String((server.address() as AddressInfo).port)}`;
}

/** A server that takes connections and says nothing. */
function silentServer(t: Test): Server {
  const sockets = new Set<Socket>();
  t.teardown(() => sockets.forEach((socket) => socket.destroy()));
  return createTcpServer((socket) => void sockets.add(socket));
}

void t.test('ports: free, held by this installation, held by another program', async (t) => {
  const dataDir = directoryOf(t);
  const free = await closedAddress();
  const look = async (flags: Readonly<Record<string, string>>, uid = 0) => {
    const chosen = { listen: '127.0.0.1:0', api: '127.0.0.1:0', ...flags };
    return ports.run(await installationOf({ 'data-dir': dataDir, ...chosen }, { uid }));
  };
  t.match(await look({ listen: free }), {
    outcome: 'ok',
    observed: `${free} is free; 127.0.0.1:0: the kernel chooses a free port`,
  });
  const taken = await listening(t, createTcpServer());
  const port = taken.split(':')[1] ?? '';
  const mine = new RegExp(`^\\S+ is held by node (process ${String(process.pid)})`.replaceAll(/[()]/g, '\\$&'));
  t.match(await look({ listen: taken }), { outcome: 'problem', observed: mine, advice: /--listen HOST:PORT$/ });
  t.match(await look({ listen: `0.0.0.0:${port}` }), { outcome: 'problem', observed: mine }, 'every address');
  t.match(await look({ listen: `127.0.0.2:${port}` }), { outcome: 'ok' }, 'another address');
  const lock = takeLock(join(dataDir, 'collector.lock'));
  t.match(await look({ listen: taken }), {
    outcome: 'ok',
    observed: /held by the collector of this installation/,
  });
  if (lock.ok) lock.release();
  t.match(await look({ listen: '192.0.2.1:7443' }), { outcome: 'problem', observed: /does not have this address/ });
  t.match(await look({ listen: 'no.such.name.invalid:7443' }), {
    outcome: 'problem',
    observed: /the name cannot be resolved/,
  });

  const server = await startServer(t);
  const api = `127.0.0.1:${String(server.port)}`;
  t.match(await look({ api }), { outcome: 'problem', observed: /a collector with another data directory$/ });
  writeFileSync(join(dataDir, 'operator-token'), TOKEN, { mode: 0o600 });
  t.match(await look({ api }), { outcome: 'ok', observed: /a collector that accepts the operator token/ });
});

void t.test('the operator API', async (t) => {
  const dataDir = directoryOf(t);
  const look = async (api: string, over: Parameters<typeof installationOf>[1] = {}) =>
    operatorApi.run(await installationOf({ 'data-dir': dataDir, api }, over));
  const closed = await closedAddress();
  t.match(await look(closed), { outcome: 'warning', observed: `${closed}: nothing listens there (ECONNREFUSED)` });
  const lock = takeLock(join(dataDir, 'collector.lock'));
  t.match(await look(closed), { outcome: 'problem', observed: /although a collector \(process \d+\) uses/ });
  if (lock.ok) lock.release();
  const shown: (string | undefined)[] = [];
  const web = await listening(
    t,
    createServer((request, response) => {
      shown.push(request.headers.authorization);
      response.end('{"status":"ok"}');
    }),
  );
  writeFileSync(join(dataDir, 'operator-token'), TOKEN, { mode: 0o600 });
  t.match(await look(web), { outcome: 'problem', observed: /answers, but is not a collector \(HTTP 200\)$/ });
  t.strictSame(shown, [undefined], 'the token is not sent to another program');
  rmSync(join(dataDir, 'operator-token'));
  const silent = await listening(t, silentServer(t));
  t.match(await look(silent), { outcome: 'warning', observed: `${silent}: no answer in time` });

  const server = await startServer(t);
  const api = `127.0.0.1:${String(server.port)}`;
  t.match(await look(api), { outcome: 'unknown', observed: /answers at .*, but \S+ contains no readable token/ });
  const token = join(dataDir, 'operator-token');
  writeFileSync(token, `${TOKEN}wrong`, { mode: 0o600 });
  t.match(await look(api), {
    outcome: 'problem',
    observed: `the collector at ${api} does not accept the token in ${token}`,
  });
  writeFileSync(token, TOKEN);
  const good = await look(api);
  // The disk of whoever runs this may be nearly full: then the collector says so.
  t.ok(good.outcome === 'ok' || /1 issue/.test(good.observed), good.observed);
  t.match(await look(api, { version: '9.9.9' }), {
    outcome: 'warning',
    observed: /runs version 0\.1\.0, this is 9\.9\.9$/,
  });
  const ahead = createFakeClock(Date.now() + 2 * 3_600_000 + 60_000);
  t.match(await look(api, { clock: ahead }), {
    outcome: 'warning',
    observed: "the clock here is 2 h ahead of the collector's",
  });
});

/** Certificates of a node in a data directory, as an agent has them. */
function nodeDirectory(t: Test, ca: string, { certificatePem, keyPem }: Issued): string {
  const dataDir = directoryOf(t);
  const tls = join(dataDir, 'tls');
  mkdirSync(tls);
  mkdirSync(join(dataDir, 'agent'));
  writeFileSync(join(tls, 'ca.pem'), ca);
  writeFileSync(join(tls, 'agent.pem'), certificatePem);
  writeFileSync(join(tls, 'agent-key.pem'), keyPem, { mode: 0o600 });
  return dataDir;
}

async function examineConnection(
  t: Test,
  collector: TestCollector,
  identity: Issued,
  over: { ca?: string; address?: string } = {},
) {
  const dataDir = nodeDirectory(t, over.ca ?? collector.fleet.authority.certificatePem, identity);
  return collectorConnection.run(
    await installationOf({ 'data-dir': dataDir, collector: over.address ?? collector.server.address }),
  );
}

void t.test('the connection of a node, and why it does not come about', async (t) => {
  const collector = await startCollector(t);
  const { fleet, server } = collector;
  const good = await fleet.node('n1');
  const port = server.address.split(':').at(-1) ?? '';
  t.match(await examineConnection(t, collector, good), {
    outcome: 'ok',
    observed: /^127\.0\.0\.1:\d+ in \d+ ms: TLS 1\.3, both certificates accepted$/,
  });
  t.strictSame(await collector.store.nodes(), [], 'it leaves no trace at the collector');
  const foreign = await newFleet();
  t.match(await examineConnection(t, collector, await foreign.node('n1'), { ca: foreign.authority.certificatePem }), {
    outcome: 'problem',
    observed: /its certificate was not issued by the authority that is trusted here \([A-Z_]+\)$/,
    advice: 'copy ca.pem of that collector here',
  });
  t.match(await examineConnection(t, collector, await fleet.node('n1', Date.now() - 2 * YEAR_MS)), {
    outcome: 'problem',
    observed: /closed the connection after it received the agent's certificate|our certificate has expired/,
  });
  t.match(await examineConnection(t, collector, good, { address: `127.0.0.3:${port}` }), {
    outcome: /warning|problem/,
    observed: /ECONNREFUSED|does not contain this address/,
  });
  const closed = await closedAddress();
  t.match(await examineConnection(t, collector, good, { address: closed }), {
    outcome: 'warning',
    observed: `${closed}: nothing listens there (ECONNREFUSED)`,
  });
  t.match(await examineConnection(t, collector, good, { address: 'no.such.name.invalid:7443' }), {
    outcome: 'problem',
    observed: /the host name (does not exist|could not be resolved)/,
  });
  const plain = await listening(t, createServer());
  t.match(await examineConnection(t, collector, good, { address: plain }), {
    outcome: 'problem',
    observed: /does not use TLS|connection was reset/,
  });
  const silent = await listening(t, silentServer(t));
  t.match(await examineConnection(t, collector, good, { address: silent }), {
    outcome: 'problem',
    observed: /no answer in time/,
  });
  t.match(await collectorConnection.run(await installationOf({ 'data-dir': directoryOf(t) })), {
    outcome: 'ok',
    observed: 'this machine has no agent',
  });
  const broken = nodeDirectory(t, 'nonsense', good);
  t.match(await collectorConnection.run(await installationOf({ 'data-dir': broken })), {
    outcome: 'unknown',
    observed: /was not tried: .*ca\.pem holds no certificate/,
  });
});

void t.test('a collector whose certificate names another address, or has expired', async (t) => {
  const fleet = await newFleet();
  const { certificatePem: cert, keyPem: key } = await fleet.node('n1');
  const tls = { ca: fleet.authority.certificatePem, cert, key, expiresAtMs: 0 };
  const { createSecureServer } = await import('node:http2');
  const { issueCertificate } = await import('../../../service/tls/issue.ts');
  const cases = [
    {
      names: ['elsewhere.example'],
      atMs: Date.now(),
      text: /does not contain this address \(ERR_TLS_CERT_ALTNAME_INVALID\)/,
    },
    { names: ['127.0.0.1'], atMs: Date.now() - 2 * YEAR_MS, text: /has expired \(CERT_HAS_EXPIRED\)/ },
    { names: ['127.0.0.1'], atMs: Date.now() + YEAR_MS, text: /not valid yet \(CERT_NOT_YET_VALID\)/ },
  ];
  for (const { names, atMs, text } of cases) {
    const server = await issueCertificate({ kind: 'server', names }, fleet.authority, atMs);
    const listener = createSecureServer({ cert: server.certificatePem, key: server.keyPem });
    const [host = '', port = ''] = (await listening(t, listener)).split(':');
    const dialled = await dialNodesPort({ host, port: Number(port) }, tls, new AbortController().signal);
    t.match(dialled, { ok: false, shaken: false, reason: { text } });
  }
});

void t.test('a receiver of syslog', async (t) => {
  const look = async (receiver: string) =>
    sinks.run(await installationOf({ 'sink-syslog': receiver, 'sink-ndjson': 'off' }));
  t.match(await look('off'), { outcome: 'ok', observed: 'ndjson: off; syslog: off' });
  const open = await listening(
    t,
    createTcpServer((socket) => void socket.destroy()),
  );
  t.match(await look(`tls://${open}`), { outcome: 'ok', observed: `ndjson: off; tls://${open} accepts connections` });
  t.match(await look(`tcp://${open}`), { outcome: 'warning', observed: /nothing is encrypted/ });
  const closed = await closedAddress();
  t.match(await look(`tcp://${closed}`), { outcome: 'problem', observed: /nothing listens there \(ECONNREFUSED\)/ });
  t.match(await look(`udp://${closed}`), { outcome: 'warning', observed: /nothing tells whether messages arrive/ });
  t.match(await look('tls://no.such.name.invalid'), { outcome: 'problem', observed: /the host name/ });
});

void t.test('filters of sinks', async (t) => {
  const look = async (filter: string, groups = 'all') =>
    sinks.run(await installationOf({ 'sink-ndjson': '-', 'sink-ndjson-filter': filter, 'sink-ndjson-events': groups }));
  t.match(await look('event.severity_id >= 4'), { outcome: 'ok' });
  t.match(await look('event.sevrity_id >= 4'), { outcome: 'problem', observed: /did you mean `severity_id`/ });
  t.match(await look('event.status == "New"'), { outcome: 'warning', observed: /stays open/, advice: /Resolved/ });
  t.match(await look('event.status == "New"', 'scans'), { outcome: 'ok' });
});

void t.test('redactions of sinks', async (t) => {
  const look = async (redact: string) =>
    sinks.run(await installationOf({ 'sink-ndjson': '-', 'sink-ndjson-redact': redact }));
  t.match(await look('device.name'), { outcome: 'ok' });
  t.match(await look('device.nam'), { outcome: 'problem', observed: /did you mean `name`/ });
  t.match(await look('device.name=hash'), { outcome: 'problem', observed: /sink-redact-key names no key/ });
});

void t.test('servers of NATS and Kafka', async (t) => {
  const open = await listening(
    t,
    createTcpServer((socket) => void socket.destroy()),
  );
  const look = async (flags: Readonly<Record<string, string>>) =>
    sinks.run(await installationOf({ 'sink-ndjson': 'off', ...flags }));
  t.match(await look({ 'sink-nats': `tls://${open}` }), { outcome: 'ok', observed: /tls:\S+ accepts connections$/ });
  t.match(await look({ 'sink-nats': `nats://${open}` }), { outcome: 'warning', observed: /nothing is encrypted/ });
  t.match(await look({ 'sink-nats': `tls://${open}`, 'sink-nats-cert': '/c.pem' }), {
    outcome: 'problem',
    observed: 'only one of sink-nats-cert and sink-nats-key is set',
  });
  t.match(await look({ 'sink-nats': `tls://${await closedAddress()}` }), { outcome: 'problem' });
  t.match(await look({ 'sink-kafka': `kafka://${open}` }), { outcome: 'warning', observed: /nothing is encrypted/ });
  t.match(await look({ 'sink-kafka': `tls://${open},${await closedAddress()}` }), { outcome: 'problem' });
});

void t.test('receivers over HTTPS', async (t) => {
  const open = await listening(
    t,
    createTcpServer((socket) => void socket.destroy()),
  );
  const look = async (flags: Readonly<Record<string, string>>) =>
    sinks.run(await installationOf({ 'sink-ndjson': 'off', ...flags }));
  t.match(await look({ 'sink-webhook': `https://${open}/hook` }), {
    outcome: 'ok',
    observed: new RegExp(`https://${open}/hook accepts connections`),
  });
  for (const setting of [
    'sink-webhook',
    'sink-splunk',
    'sink-elasticsearch',
    'sink-otlp',
    'sink-sentinel',
    'sink-s3',
    'sink-security-hub',
  ])
    t.match(await look({ [setting]: `https://${await closedAddress()}/x` }), {
      outcome: 'problem',
      observed: /nothing listens there \(ECONNREFUSED\)/,
    });
});
