import * as fc from 'fast-check';
import type { Test } from 'tap';
import type { Finding } from '../../../posture/finding.ts';
import { SEVERITIES, VERDICTS } from '../../../posture/verdict.ts';
import type { Store, TrendPoint } from '../../../collector/store/store.ts';
import { commit, commitEvents, finding, T0 } from './fleet.ts';

const MINUTE_MS = 60_000;

/** What one node says at one time; few findings, so that they come, change and go. */
const anyWord = fc.record({
  afterMs: fc.oneof(fc.constantFrom(0, 1, MINUTE_MS - 1, MINUTE_MS), fc.nat(20 * MINUTE_MS)),
  node: fc.constantFrom('n1', 'n2'),
  snapshot: fc.boolean(),
  put: fc.array(
    fc.record({
      on: fc.constantFrom('a', 'b', 'c', 'd'),
      verdict: fc.constantFrom(...VERDICTS),
      severity: fc.constantFrom(...SEVERITIES),
      title: fc.constantFrom('one', 'two'),
    }),
    { maxLength: 4 },
  ),
  gone: fc.array(fc.constantFrom('a', 'b', 'c', 'd'), { maxLength: 2 }),
});

/** The second way to count: play everything that was said up to a time, and look at what is there. */
interface Said {
  readonly atMs: number;
  readonly node: string;
  readonly snapshot: boolean;
  readonly put: readonly Finding[];
  readonly gone: readonly string[];
}

function countAgain(said: readonly Said[], momentMs: number): TrendPoint {
  const endMs = Math.ceil(momentMs / MINUTE_MS) * MINUTE_MS;
  const there = new Map<string, Finding>();
  for (const { atMs, node, snapshot, put, gone } of said) {
    if (atMs >= endMs) break;
    if (snapshot) for (const key of there.keys()) if (key.startsWith(`${node} `)) there.delete(key);
    for (const id of gone) there.delete(`${node} ${id}`);
    for (const one of put) there.set(`${node} ${one.id}`, one);
  }
  const findings = [...there.values()];
  const failing = (severity: string): number =>
    findings.filter((one) => one.verdict === 'fail' && one.severity === severity).length;
  const failures = Object.fromEntries(SEVERITIES.map((severity) => [severity, failing(severity)]));
  return {
    atMs: momentMs,
    failures: failures as TrendPoint['failures'],
    unknown: findings.filter(({ verdict }) => verdict === 'unknown').length,
  };
}

export async function trend(t: Test, store: Store): Promise<void> {
  const said: Said[] = [];
  const sequences = new Map<string, number>();
  let nowMs = T0;
  const model = fc.asyncProperty(
    fc.array(anyWord, { minLength: 1, maxLength: 6 }),
    fc.array(fc.nat(10_000), { minLength: 1, maxLength: 8 }),
    async (words, places) => {
      for (const { afterMs, node, snapshot, put, gone } of words) {
        nowMs += afterMs;
        const sequence = (sequences.get(node) ?? 0) + 1;
        sequences.set(node, sequence);
        const whole = snapshot || sequence === 1;
        const word = { put: put.map(finding), gone: whole ? [] : gone.map((on) => finding({ on }).id) };
        const times = { observedAtMs: nowMs, receivedAtMs: nowMs };
        await commitEvents(store, commit({ nodeId: node, sequence, snapshot: whole, ...word, ...times }));
        said.push({ atMs: nowMs, node, snapshot: whole, ...word });
      }
      const momentsMs = places
        .map((place) => T0 + Math.round(((nowMs - T0) * place) / 10_000))
        .toSorted((a, b) => a - b);
      const { points } = await store.trend([...momentsMs, nowMs]);
      const expected = [...momentsMs, nowMs].map((atMs) => countAgain(said, atMs));
      return JSON.stringify(points) === JSON.stringify(expected);
    },
  );
  await fc.assert(model, { numRuns: 40 });
  const minutes = Math.ceil((nowMs - T0) / MINUTE_MS);
  const laterMs = nowMs + 60 * MINUTE_MS;
  t.same((await store.trend([laterMs])).points, [countAgain(said, laterMs)]);
  t.ok(minutes > 100, `over ${String(minutes)} minutes`);
}

export async function trendAtTheEdges(t: Test, store: Store): Promise<void> {
  const failuresAt = async (...momentsMs: readonly number[]): Promise<readonly number[]> =>
    (await store.trend(momentsMs)).points.map(({ failures }) => failures.critical);
  t.same(await store.trend([]), { knownFromMs: 0, points: [] });
  t.same(await failuresAt(0, T0), [0, 0]);
  const at = (atMs: number, receivedAtMs = atMs) => ({ observedAtMs: atMs, receivedAtMs });
  const hour = 60 * MINUTE_MS;
  await commitEvents(store, commit({ sequence: 1, snapshot: true, put: [finding({ on: 'a' })], ...at(T0) }));
  // Seen at +1 h, received at +3 h: it counts from when it was seen.
  await commitEvents(store, commit({ sequence: 2, put: [finding({ on: 'b' })], ...at(T0 + hour, T0 + 3 * hour) }));
  t.same(await failuresAt(T0, T0 + MINUTE_MS, T0 + hour, T0 + hour + 1, T0 + 2 * hour), [0, 1, 1, 2, 2]);
  // The node's clock was set back by two hours, and it says that `b` is gone before it came.
  await commitEvents(store, commit({ sequence: 3, gone: [finding({ on: 'b' }).id], ...at(T0 - hour, T0 + 4 * hour) }));
  t.same(await failuresAt(T0 - 2 * hour, T0 - hour + 1, T0 + hour + 1, T0 + 5 * hour), [0, 0, 1, 1], 'never below 0');

  await store.prune([], T0 + 30 * MINUTE_MS);
  t.same(await store.trend([T0 + hour + 1]).then(({ knownFromMs }) => knownFromMs), T0 + 30 * MINUTE_MS);
  t.same(await failuresAt(T0 + 2 * hour), [1], 'later moments keep their counts');
  await store.prune([], T0 + 20 * MINUTE_MS);
  t.equal((await store.trend([])).knownFromMs, T0 + 30 * MINUTE_MS, 'what was removed stays removed');

  for (const wrong of [[2, 1], [-1], [1.5], [Number.NaN], Array.from({ length: 501 }, () => 1)])
    await t.rejects(store.trend(wrong), { code: 'badFilter' });
}
