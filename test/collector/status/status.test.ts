import { statSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { ISSUE_CODES } from '../../../api/issue.ts';
import { StoreError } from '../../../collector/store/error.ts';
import { openSqliteStore } from '../../../collector/store/sqlite.ts';
import { createWaiverSet } from '../../../collector/waiver/waiver-set.ts';
import { parseWaiver } from '../../../policy/waiver.ts';
import { createFakeClock } from '../../service/fake-clock.ts';
import { startServer } from '../api/server.ts';
import { commit, finding, nodeRow, T0 } from '../store/fleet.ts';
import { UNUSED } from '../sink/events.ts';

interface Status {
  readonly [field: string]: unknown;
  readonly store: Readonly<Record<string, unknown>> & { readonly path: string; readonly freeBytes: number };
  readonly process: { readonly pid: number; readonly rssBytes: number; readonly cpuMs: number };
  readonly issues: readonly { readonly code: string; readonly subject: string; readonly advice: string }[];
}

const DROPPED = { dropped: 9, droppedMost: { nodeId: 'n2', events: 7 } };
const SINK = { position: 7, state: 'ok', lastError: '', delivered: 7, rejected: 0, discarded: 0, ...UNUSED } as const;

void t.test('a fleet where everything works', async (t) => {
  const clock = createFakeClock(T0);
  const server = await startServer(t, { clock, sinks: () => [{ ...SINK, name: 'ndjson' }] });
  await server.store.putNodes([nodeRow()]);
  await server.commit(commit({ sequence: 1, snapshot: true, put: [finding(), finding({ on: 'x', verdict: 'pass' })] }));
  await clock.advance(60_000);
  const status = (await (await server.fetch('/v1/status')).json()) as Status;
  t.match(status, {
    version: '0.1.0',
    startedMs: T0,
    nowMs: T0 + 60_000,
    addresses: { nodes: '127.0.0.1:7443', api: '127.0.0.1:7480' },
    heartbeatMs: 30_000,
    nodes: { total: 1, connected: 1, stale: 0, offline: 0, listed: [{ id: 'n1', presence: 'connected' }] },
    sinks: [{ name: 'ndjson', state: 'ok' }],
    issues: [],
  });
  t.match(status.store, { findings: 2, historyFromMs: T0, historyToMs: T0, problem: '' });
  const { path, freeBytes } = status.store;
  const sizes = ['', '-wal', '-shm'].map((suffix) => statSync(path + suffix, { throwIfNoEntry: false })?.size ?? 0);
  t.equal(
    status.store['bytes'],
    sizes.reduce((sum, size) => sum + size, 0),
  );
  const { bavail, bsize } = await statfs(path);
  // Others write on this disk as well.
  t.ok(Math.abs(freeBytes - bavail * bsize) < 1024 ** 3);
  t.equal(status.process.pid, process.pid);
  t.ok(status.process.rssBytes > 10_000_000 && status.process.cpuMs > 0);
});

void t.test('each thing that does not work is named, with what to do', async (t) => {
  const clock = createFakeClock(T0);
  const waivers = createWaiverSet([]);
  const parsed = parseWaiver({
    apiVersion: 'plimsoll.dev/v1',
    kind: 'Waiver',
    metadata: { name: 'small' },
    spec: {
      match: { checks: ['agent.resource-budget'], subjects: ['web-3'] },
      reason: 'a small machine',
      owner: 'shop team',
      expires: '2099-01-01',
    },
  });
  if (!parsed.ok) throw new Error(parsed.problem);
  waivers.use({ waivers: [parsed.value], isIncomplete: false });
  const store = await openSqliteStore({ path: join(t.testdir(), 'store.sqlite'), waivers });
  const server = await startServer(t, {
    clock,
    store: () => store,
    sinks: () => [
      { ...SINK, name: 'ndjson', state: 'paused', lastError: 'no space left' },
      {
        ...SINK,
        name: 'syslog',
        state: 'retrying',
        lastError: 'ECONNREFUSED',
        discarded: 2,
        incomplete: 1,
        ...DROPPED,
      },
    ],
    diskProblem: () => 'no answer for 40 s',
    quarantined: () => ({ path: '/data/store.sqlite.damaged-1', atMs: T0 }),
    nodeProblems: () => [
      { kind: 'identityConflict', nodeId: 'n1', connected: '10.0.0.1:1', refused: '10.0.0.2:2', attempts: 3 },
      { kind: 'limited', nodeId: 'n2', reason: 'this node changes more than it may' },
      { kind: 'repaired', nodeId: 'n3' },
      { kind: 'restored', nodeId: 'n3' },
    ],
    addresses: () => ({ nodes: 'n:1', api: 'a:1', console: 'http://127.0.0.1:7480/' }),
  });
  await server.store.putNodes([nodeRow({ id: 'n1', name: 'web-1', lastSeenMs: T0 + 60_000, dropped: 4 })]);
  await server.store.putNodes([nodeRow({ id: 'n2', name: 'web-2', connected: false, offlineSinceMs: T0 })]);
  await server.store.putNodes([nodeRow({ id: 'n3', name: 'web-3' })]);
  await server.commit(
    commit({
      nodeId: 'n1',
      sequence: 1,
      snapshot: true,
      put: [finding({ check: 'agent.resource-budget', subject: { kind: 'node', id: 'n1', name: 'web-1' } })],
    }),
  );
  await server.commit(
    commit({
      nodeId: 'n3',
      sequence: 1,
      snapshot: true,
      put: [finding({ check: 'agent.resource-budget', subject: { kind: 'node', id: 'n3', name: 'web-3' } })],
    }),
  );
  t.equal((await server.store.findings({ waived: true, limit: 1 })).findings.length, 1, 'accepted, so no issue');
  const events = await server.store.outbox(0, 1);
  await server.store.deadLetters.add({ sink: 'syslog', events, reason: 'too large', atMs: T0 });
  await clock.advance(120_000);
  const status = (await (await server.fetch('/v1/status')).json()) as Status;
  t.match(status, {
    addresses: { console: 'http://127.0.0.1:7480/' },
    store: { quarantined: { path: '/data/store.sqlite.damaged-1', atMs: T0 } },
    nodes: { total: 3, connected: 1, stale: 1, offline: 1, neverEnrolled: 0 },
  });
  // The disk of whoever runs this may be nearly full.
  const told = status.issues.filter(({ code }) => code !== 'storeSpace');
  t.match(
    told.find(({ code }) => code === 'sinkDropped'),
    { text: /^9 events .*, 7 of them from the node web-2$/ },
  );
  t.strictSame(
    told.map(({ code, subject }) => `${code} ${subject}`),
    [
      `diskFailing ${status.store.path}`,
      `storeQuarantined ${status.store.path}`,
      'sinkPaused ndjson',
      'sinkRetrying syslog',
      'sinkDropped syslog',
      'sinkIncomplete syslog',
      'sinkRejected syslog',
      'sinkDiscarded syslog',
      'nodeIdentityConflict web-1',
      'nodeLimited web-2',
      'nodeRepaired web-3',
      'agentRestored web-3',
      'nodeOffline web-2',
      'nodeStale web-3',
      'agentDropped web-1',
      'agentOverBudget web-1',
    ],
  );
  for (const { advice, code } of told) t.ok(advice.length > 20, code);
  t.strictSame(
    told.map(({ code }) => code).filter((code) => !(ISSUE_CODES as readonly string[]).includes(code)),
    [],
  );
});

void t.test('a store that fails is part of the answer', async (t) => {
  const server = await startServer(t, {
    store: (store) => ({
      ...store,
      counts: () => Promise.reject(new StoreError('io', 'cannot count: disk I/O error')),
    }),
  });
  const response = await server.fetch('/v1/status');
  t.equal(response.status, 200);
  const status = (await response.json()) as Status;
  t.match(status.store, { problem: 'cannot count: disk I/O error', findings: 0 });
  t.match(status.issues[0], { code: 'storeFailing', subject: status.store.path });
});

void t.test('a node cannot put words into a line that is there to be copied', async (t) => {
  const server = await startServer(t);
  await server.store.putNodes([nodeRow({ id: 'n1', name: '$(reboot)', lastSeenMs: Date.now() })]);
  await server.commit(
    commit({
      sequence: 1,
      snapshot: true,
      put: [finding({ check: 'agent.resource-budget', subject: { kind: 'node', id: 'n1', name: 'x' } })],
    }),
  );
  const status = (await (await server.fetch('/v1/status')).json()) as Status;
  const advice = status.issues.map((issue) => issue.advice);
  t.ok(advice.includes('plimsoll explain agent.resource-budget --node n1'), advice.join('\n'));
  t.notMatch(advice.join(), /reboot/);
});
