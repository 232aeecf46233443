import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { Test } from 'tap';
import { nodeDetail } from '../../api/node.ts';
import { nodeStatusAnswer } from '../../api/node-status.ts';
import { absent, seen, unreadable } from '../../posture/observed.ts';
import { startAskingServer } from '../collector/api/asking-server.ts';
import { TOKEN } from '../collector/api/server.ts';
import { commit, finding, nodeRow } from '../collector/store/fleet.ts';
import { factsOf, nodeStatusFact } from '../fixture/facts.ts';
import { realNode } from '../fixture/query-fleet.ts';
import type { NodeBehaviour } from '../fixture/query-fleet.ts';
import { plimsoll, temporaryDirectory } from './process.ts';
import type { Run } from './process.ts';

const ID = '8f1d0c6be2a54c0e9b7a3a1f5d2e4c60';
const OFFLINE = '9a2e0c6be2a54c0e9b7a3a1f5d2e4c61';

/** A command line against a real API; the first node is asked as `behaviour` says, the second is offline. */
async function commandLine(t: Test, behaviour: NodeBehaviour): Promise<(...args: readonly string[]) => Promise<Run>> {
  const server = await startAskingServer(t, { [ID]: behaviour }, 20_000);
  const containers = [
    { id: 'c1', name: 'shop', image: 'shop:1', imageId: 'sha256:aa', startedAt: '2026-06-01T00:00:00Z' },
  ];
  await server.store.putNodes([nodeRow({ id: ID, name: 'web-3', containers, lastSeenMs: Date.now() })]);
  const lostMs = Date.now() - 2 * 86_400_000;
  await server.store.putNodes([
    nodeRow({ id: OFFLINE, name: 'db-1', connected: false, lastSeenMs: lostMs, offlineSinceMs: lostMs }),
  ]);
  const put = [finding(), finding({ on: 'b', verdict: 'unknown', reason: 'x' }), finding({ on: 'c', verdict: 'pass' })];
  for (const nodeId of [ID, OFFLINE]) await server.commit(commit({ nodeId, sequence: 1, snapshot: true, put }));
  const tokenFile = join(temporaryDirectory(t), 'token');
  writeFileSync(tokenFile, TOKEN);
  const flags = ['--api', `127.0.0.1:${String(server.port)}`, '--token-file', tokenFile];
  return (...args) => plimsoll(['nodes', ...args, ...flags]);
}

/** The text of a row, by its name. */
const rowOf = (text: string, name: string): string =>
  text
    .split('\n')
    .find((line) => line.startsWith(`  ${name.padEnd(14)}`))
    ?.slice(16) ?? '';

const web = realNode(factsOf());
t.teardown(() => web.close());

void t.test('a node that is connected: four sections, exit code 0', async (t) => {
  const run = await commandLine(t, web.behaviour);
  const { code, stdout, stderr } = await run('show', 'web-3');
  t.match({ code, stderr }, { code: 0, stderr: '' });
  const titles = stdout.split('\n').filter((line) => /^\S/.test(line));
  t.same(titles, ['web-3', 'Status', 'Containers', 'Findings']);
  for (const line of stdout.split('\n')) t.ok(line.length <= 80, line);
  t.equal(rowOf(stdout, 'id'), ID);
  t.equal(rowOf(stdout, 'state'), 'connected');
  t.equal(rowOf(stdout, 'uptime'), '1 d, since 2026-11-24 11:00:30');
  t.equal(rowOf(stdout, 'load'), '0.42, 0.30, 0.20');
  t.equal(rowOf(stdout, 'memory'), '19 GiB of 24 GiB available');
  t.equal(rowOf(stdout, 'swap'), 'none');
  t.equal(rowOf(stdout, 'pressure'), 'cpu 3.00 %, memory 0.00 % of the last minute');
  t.match(rowOf(stdout, 'processes'), /^not read: \/proc: only the processes of one pid/);
  t.equal(rowOf(stdout, 'disk'), '/: 37 GiB of 93 GiB free, 6,000,000 inodes free');
  t.match(stdout, '/var/lib/docker: 37 GiB of 93 GiB free');
  t.match(rowOf(stdout, 'clock'), /(?:ahead of|behind) the collector, set 1 min ago by/);
  t.equal(rowOf(stdout, 'agent'), '67 MiB, 0.4 % of a core');
  t.match(rowOf(stdout, 'now'), '12 running, 0 paused, 3 stopped');
  t.match(stdout, 'shop (shop:1)');
  t.equal(rowOf(stdout, 'unknown'), '1');
  t.equal(rowOf(stdout, 'list'), 'plimsoll findings --node web-3');
});

void t.test('what the agent could not read is not called absent', async (t) => {
  const [engine] = nodeStatusFact().engines;
  if (engine === undefined) throw new Error('the fixture has an engine');
  const denied = (name: string) => unreadable(`/proc/pressure/${name}`, 'permission denied');
  const statuses = [
    nodeStatusFact({
      pressure: { cpu: denied('cpu'), memory: denied('memory'), io: denied('io') },
      engines: [engine, { ...engine, endpoint: 'unix:///b.sock', containers: unreadable('GET /info', 'timed out') }],
    }),
    nodeStatusFact({ pressure: { ...nodeStatusFact().pressure, io: denied('io') } }),
    nodeStatusFact({ pressure: { cpu: absent('x'), memory: absent('x'), io: absent('x') } }),
  ];
  const shown: string[] = [];
  for (const status of statuses) {
    const node = realNode(factsOf(), status);
    t.teardown(() => node.close());
    shown.push((await (await commandLine(t, node.behaviour))('show', 'web-3')).stdout);
  }
  const [blind = '', partly = '', old = ''] = shown;
  t.equal(rowOf(blind, 'pressure'), 'not read: /proc/pressure/cpu: permission denied');
  t.match(rowOf(blind, 'now'), '12 running');
  t.match(blind, 'not read: GET /info: timed out (docker 27.0.3 at unix:///b.sock)');
  t.match(rowOf(partly, 'pressure'), /^cpu 3\.00 %, memory 0\.00 % of the last minute; io not read:/);
  t.equal(rowOf(old, 'pressure'), 'not measured by this kernel');
});

void t.test('for a program', async (t) => {
  const run = await commandLine(t, web.behaviour);
  const { code, stdout } = await run('show', ID.slice(0, 8), '--output', 'json');
  t.equal(code, 0);
  const { node, status } = JSON.parse(stdout) as Record<string, unknown>;
  t.ok(nodeDetail.parse(node).ok);
  t.match(nodeStatusAnswer.parse(status), { ok: true, value: { outcome: 'ok', status: { uptimeSeconds: 86_400 } } });
  t.match(await run('show', ID, '-o', 'jsonpath={.node.name} {.status.status.uptimeSeconds}'), {
    stdout: /^web-3 86400\n?$/,
  });
  t.match(await run('show', ID, '-o', 'csv'), { code: 2, stderr: /nodes show has no output csv; use table, wide/ });
  t.equal((await run('show', ID, '--output', 'ndjson')).stdout.trimEnd().split('\n').length, 1);
});

void t.test('a node that is offline: what is stored, with its age, exit code 1', async (t) => {
  const run = await commandLine(t, web.behaviour);
  const { code, stdout } = await run('show', 'db-1');
  t.equal(code, 1);
  t.equal(rowOf(stdout, 'state'), 'offline for 2 d');
  t.match(rowOf(stdout, 'last seen'), /, 2 d ago; everything below/);
  t.equal(rowOf(stdout, 'load'), '');
  t.equal(rowOf(stdout, 'running'), '1');
  t.equal(rowOf(stdout, 'unknown'), '1');
  t.match(JSON.parse((await run('show', 'db-1', '--output', 'json')).stdout), { status: { outcome: 'offline' } });
});

void t.test('a node that is not known, and a command line that names none', async (t) => {
  const run = await commandLine(t, web.behaviour);
  t.match(await run('show', 'web-4'), {
    code: 2,
    stdout: '',
    stderr: /no node has the id or name "web-4"; did you mean "web-3"\?/,
  });
  t.match(await run('show', 'elsewhere-in-the-world'), { code: 2, stderr: /no node has/ });
  t.match(await run('show'), { code: 2, stderr: /nodes show needs one node/ });
  t.match(await run('show', 'web-3', 'db-1'), { code: 2, stderr: /nodes show needs one node/ });
});

void t.test('text of a node changes nothing on the terminal', async (t) => {
  const escape = '\u001b]0;owned\u0007\u202e';
  const [engine] = nodeStatusFact().engines;
  if (engine === undefined) throw new Error('the fixture has an engine');
  const hostile = realNode(
    factsOf(),
    nodeStatusFact({
      engines: [{ ...engine, endpoint: `unix:///${escape}`, dataRoot: seen(`/${escape}`, 'x') }],
      load: { state: 'unreadable', source: escape, reason: escape },
    }),
  );
  t.teardown(() => hostile.close());
  const { stdout } = await (await commandLine(t, hostile.behaviour))('show', 'web-3');
  t.match(stdout, 'owned');
  // eslint-disable-next-line no-control-regex -- that is what is looked for
  t.notMatch(stdout, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/);
});
