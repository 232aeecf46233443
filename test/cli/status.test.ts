import { writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { spawn } from 'node:child_process';
import t from 'tap';
import { takeLock } from '../../service/lock.ts';
import { createFakeClock } from '../service/fake-clock.ts';
import { startServer, TOKEN } from '../collector/api/server.ts';
import { commit, finding, nodeRow, T0 } from '../collector/store/fleet.ts';
import { environmentOf, plimsoll, PROGRAM, temporaryDirectory } from './process.ts';
import { UNUSED } from '../collector/sink/events.ts';

void t.test('one look at a fleet, and the exit status', async (t) => {
  const clock = createFakeClock(T0);
  let state: 'ok' | 'paused' = 'ok';
  const server = await startServer(t, {
    clock,
    sinks: () => [
      { name: 'ndjson', position: 1, state, lastError: '', delivered: 31, rejected: 0, discarded: 0, ...UNUSED },
    ],
    addresses: () => ({
      nodes: '127.0.0.1:7443',
      api: '127.0.0.1:7480',
      console: 'http://127.0.0.1:7480/',
    }),
  });
  const directory = temporaryDirectory(t);
  writeFileSync(join(directory, 'operator-token'), TOKEN, { mode: 0o600 });
  const flags = ['--api', `127.0.0.1:${String(server.port)}`, '--data-dir', directory];
  await server.store.putNodes([nodeRow({ agentRssBytes: 83_886_080 })]);
  await server.commit(commit({ sequence: 1, snapshot: true, put: [finding()] }));
  await clock.advance(61_000);

  const well = await plimsoll(['status', ...flags]);
  t.equal(well.stderr, '');
  // The disk of whoever runs this may be nearly full: then that is reported, and rightly.
  const isRoomy = !/of the disk|on the disk|disk is full/.test(well.stdout);
  if (isRoomy) t.equal(well.code, 0);
  const lines = well.stdout.split('\n');
  t.match(lines[0], /^collector {2}0\.1\.0, since 2026-06-01 00:00:00 \(1 min\), process \d+$/);
  t.match(lines[1], /^ {11}\d+ MiB of memory, \d+\.\d % of a core since its start$/);
  t.equal(lines[2], 'listens    127.0.0.1:7443 for nodes, 127.0.0.1:7480 for operators');
  t.equal(lines[3], 'console    http://127.0.0.1:7480/');
  t.match(lines[4], /^store {6}\/.*store\.sqlite, .*free$/);
  t.equal(lines[5], '           1 finding, history from 2026-06-01 00:00:00 to 2026-06-01 00:00:00');
  t.equal(lines[6], 'sink       ndjson, ok, 1 waits, 31 delivered');
  t.equal(lines[7], 'nodes      1 connected');
  t.equal(lines[9], 'NODE   STATE      SEEN       AGENT  MEMORY    CPU  DROPPED');
  t.equal(lines[10], 'web-1  connected  1 min ago  0.1.0  80 MiB  1.2 s        0');
  if (isRoomy) t.equal(lines[12], 'No issues.');
  const json = JSON.parse((await plimsoll(['status', '--output', 'json', ...flags])).stdout) as unknown;
  t.match(json, { nowMs: T0 + 61_000, nodes: { connected: 1 }, store: { findings: 1 } });

  state = 'paused';
  await clock.advance(60_000);
  const ill = await plimsoll(['status', ...flags]);
  t.equal(ill.code, 1);
  t.match(ill.stdout, /^ {2}ndjson: this sink has stopped:\n {4}fix the cause/m);
  t.match(ill.stdout, /^ {2}web-1: three heartbeats of this node are missing \(one every 30 s\)\n {4}on that node/m);
  t.match(ill.stdout, /^nodes {6}0 connected, 1 stale$/m);
});

void t.test('watched, it is asked again and again', async (t) => {
  const server = await startServer(t);
  const directory = temporaryDirectory(t);
  writeFileSync(join(directory, 'operator-token'), TOKEN, { mode: 0o600 });
  const flags = ['--api', `127.0.0.1:${String(server.port)}`, '--data-dir', directory];
  const child = spawn(process.execPath, [PROGRAM, 'status', '--watch', '--output', 'ndjson', ...flags], {
    env: environmentOf(),
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.teardown(() => child.kill('SIGKILL'));
  const closed = new Promise<number | null>((resolve) => child.once('close', resolve));
  let text = '';
  for await (const chunk of child.stdout as AsyncIterable<Buffer>) {
    text += chunk.toString('utf8');
    if (text.split('\n').length > 2) child.kill('SIGINT');
  }
  t.ok([0, 1].includes((await closed) ?? -1));
  const [first, second] = text.split('\n').map((line) => (line === '' ? {} : (JSON.parse(line) as { nowMs?: number })));
  t.ok((second?.nowMs ?? 0) > (first?.nowMs ?? 0));
});

void t.test('a collector that cannot be asked: what was tried, and what to do', async (t) => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = `127.0.0.1:${String((server.address() as AddressInfo).port)}`;
  await new Promise((resolve) => server.close(resolve));
  const directory = temporaryDirectory(t);
  const none = await plimsoll(['status', '--api', address, '--data-dir', directory]);
  t.equal(none.code, 2);
  t.equal(none.stdout, '');
  t.equal(
    none.stderr,
    [
      `plimsoll: no collector answers at http://${address} (ECONNREFUSED)`,
      '  start one with: plimsoll up   or name another with --api HOST:PORT',
      `  tried with the token in ${directory}/operator-token`,
      '  plimsoll doctor examines this machine and says what is wrong',
      '',
    ].join('\n'),
  );
  // This process takes the part of a collector that hangs.
  const lock = takeLock(join(directory, 'collector.lock'));
  t.teardown(() => (lock.ok ? lock.release() : undefined));
  const hanging = await plimsoll(['status', '--api', address, '--data-dir', directory]);
  t.match(hanging.stderr, `a collector (process ${String(process.pid)}) uses ${directory}: it is starting, hangs,`);

  const other = await startServer(t);
  writeFileSync(join(directory, 'operator-token'), `${TOKEN}x`, { mode: 0o600 });
  const wrong = await plimsoll(['status', '--api', `127.0.0.1:${String(other.port)}`, '--data-dir', directory]);
  t.equal(wrong.code, 2);
  t.match(
    wrong.stderr,
    /does not accept this operator token: the token is not valid\n {2}name the token file .*\n {2}tried .*\n {2}plimsoll doctor/,
  );
});
