import t from 'tap';
import { judgeNodes } from '../../../collector/status/freshness.ts';
import { nodeRow, T0 } from '../store/fleet.ts';

const HEARTBEAT_MS = 30_000;
const terms = (nowMs: number, overBudget: readonly string[] = []) => ({
  nowMs,
  heartbeatMs: HEARTBEAT_MS,
  overBudget: new Set(overBudget),
});

void t.test('a node is stale once three heartbeats are missing, and some seconds of grace are over', (t) => {
  const cases: readonly (readonly [silentMs: number, connected: boolean, presence: string])[] = [
    [0, true, 'connected'],
    [29_000, true, 'connected'],
    [90_000, true, 'connected'],
    [95_000, true, 'connected'],
    [95_001, true, 'stale'],
    [3_600_000, true, 'stale'],
    [0, false, 'offline'],
    [3_600_000, false, 'offline'],
    [-3_600_000, true, 'connected'],
  ];
  for (const [silentMs, connected, presence] of cases) {
    const [node] = judgeNodes([nodeRow({ connected, lastSeenMs: T0 })], terms(T0 + silentMs));
    t.equal(node?.presence, presence, `${String(silentMs)} ms, ${connected ? 'with' : 'without'} a session`);
  }
  t.end();
});

void t.test('worst first, and the longest unseen first among equals', (t) => {
  const nodes = [
    nodeRow({ id: 'well', lastSeenMs: T0 }),
    nodeRow({ id: 'hungry', lastSeenMs: T0 }),
    nodeRow({ id: 'dropping', lastSeenMs: T0 - 1000, dropped: 3 }),
    nodeRow({ id: 'stale', lastSeenMs: T0 - 200_000 }),
    nodeRow({ id: 'gone', connected: false, lastSeenMs: T0 - 10_000 }),
    nodeRow({ id: 'long-gone', connected: false, lastSeenMs: T0 - 20_000 }),
  ];
  const judged = judgeNodes(nodes, terms(T0, ['hungry']));
  t.strictSame(
    judged.map(({ id }) => id),
    ['long-gone', 'gone', 'stale', 'dropping', 'hungry', 'well'],
  );
  t.strictSame(
    judged.map(({ overBudget }) => overBudget),
    [false, false, false, false, true, false],
  );
  t.end();
});
