import t from 'tap';
import { factPaths } from '../../../posture/fact/path.ts';
import { compileExpression } from '../../../posture/expression.ts';
import { createFakeClock } from '../../service/fake-clock.ts';
import { commit, finding, T0 } from '../store/fleet.ts';
import { startServer } from './server.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

interface Trend {
  readonly fromMs: number;
  readonly toMs: number;
  readonly stepMs: number;
  readonly knownFromMs: number;
  readonly points: readonly { atMs: number; failures: Record<string, number>; unknown: number }[];
}

void t.test('counts at the end of steps that stay where they are', async (t) => {
  // T0 is midnight, UTC.
  const clock = createFakeClock(T0 + 6 * HOUR_MS + 90_000);
  const server = await startServer(t, { clock });
  const trend = async (query = ''): Promise<Trend> => (await (await server.fetch(`/v1/trend${query}`)).json()) as Trend;
  const nothing = await trend();
  t.same([nothing.knownFromMs, nothing.stepMs, nothing.toMs], [0, 16 * MINUTE_MS, clock.now()]);
  t.ok(nothing.points.every(({ failures, unknown }) => unknown === 0 && failures['critical'] === 0));

  const at = (atMs: number) => ({ observedAtMs: atMs, receivedAtMs: atMs });
  const high = finding({ on: 'b', severity: 'high' });
  await server.commit(commit({ sequence: 1, snapshot: true, put: [finding()], ...at(T0 + HOUR_MS) }));
  await server.commit(commit({ sequence: 2, put: [high], ...at(T0 + 2 * HOUR_MS) }));
  const unknown = finding({ verdict: 'unknown', reason: 'EACCES' });
  await server.commit(commit({ sequence: 3, put: [unknown], ...at(T0 + 3 * HOUR_MS + 1) }));
  await server.commit(commit({ sequence: 4, gone: [high.id], ...at(clock.now()) }));

  const { fromMs, toMs, stepMs, knownFromMs, points } = await trend(`?fromMs=${String(T0)}&points=8`);
  t.same([fromMs, toMs, stepMs, knownFromMs], [T0, clock.now(), 52 * MINUTE_MS, T0 + HOUR_MS]);
  t.ok(points.slice(0, -1).every(({ atMs }) => atMs % stepMs === 0));
  const hourly = await trend(`?fromMs=${String(T0)}&toMs=${String(T0 + 6 * HOUR_MS + 30_000)}&points=7`);
  t.equal(hourly.toMs, T0 + 6 * HOUR_MS, 'what is over ends with its minute');
  t.equal(hourly.stepMs, HOUR_MS);
  t.same(
    hourly.points.map(({ atMs, failures, unknown }) => [
      (atMs - T0) / HOUR_MS,
      failures['critical'],
      failures['high'],
      unknown,
    ]),
    [
      [1, 0, 0, 0],
      [2, 1, 0, 0],
      [3, 1, 1, 0],
      [4, 0, 1, 1],
      [5, 0, 1, 1],
      [6, 0, 1, 1],
    ],
    'an event belongs to the step that it happened in',
  );
  const future = await trend(`?fromMs=${String(T0)}&toMs=${String(T0 + 99 * HOUR_MS)}&points=2`);
  t.equal(future.toMs, clock.now());
  t.match(future.points.at(-1), { atMs: clock.now(), failures: { critical: 0, high: 0 }, unknown: 1 }, 'as it is now');
  const fine = await trend(`?fromMs=${String(T0)}&points=500`);
  t.equal(fine.stepMs, MINUTE_MS, 'no finer than what is kept');
  t.ok(fine.points.length <= 500 && fine.points.length > 300);
  const day = await trend();
  t.equal(day.fromMs, clock.now() - 24 * HOUR_MS);
  t.ok(
    day.points.every(({ atMs }) => atMs >= T0 + HOUR_MS),
    'times without data have no points',
  );
});

void t.test('facts are what an expression can name', async (t) => {
  const server = await startServer(t);
  const { facts } = (await (await server.fetch('/v1/facts')).json()) as {
    facts: { path: string; type: string; description: string }[];
  };
  t.equal(facts.length, factPaths().length);
  t.match(
    facts.find(({ path }) => path === 'containers[].seccomp.mode'),
    { type: /"disabled" \| "strict" \| "filter"/ },
  );
  t.equal(new Set(facts.map(({ path }) => path)).size, facts.length);
  // Every path without items can be requested unchanged.
  const plain = facts.map(({ path }) => path).filter((path) => /^[\w.]+$/.test(path));
  t.ok(plain.length > 40);
  t.same(
    plain.filter((path) => !compileExpression(path).ok),
    [],
  );
});
