import t from 'tap';
import { keepBenchmarkScores } from '../../../collector/compliance.ts';
import { BENCHMARKS, findBenchmark } from '../../../posture/benchmark/benchmark.ts';
import { createFakeClock } from '../../service/fake-clock.ts';
import { commit, finding, nodeRow, T0 } from '../store/fleet.ts';
import { startServer } from './server.ts';
import type { ApiServer } from './server.ts';

const BENCHMARK = 'cis-docker-1.8.0';
const HOUR_MS = 3_600_000;
const SILENT = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

interface Results {
  readonly nodes: number;
  readonly score: { readonly passed: number; readonly counted: number; readonly percent?: number };
  readonly controls: readonly {
    readonly id: string;
    readonly verdict: string;
    readonly missing: readonly string[];
    readonly findings: Readonly<Record<string, number>>;
  }[];
}

/** Two nodes: on one a container is privileged, on the other all is well where it was looked at. */
async function fleet(server: ApiServer): Promise<void> {
  await server.store.putNodes([nodeRow(), nodeRow({ id: 'n2', name: 'web-2' })]);
  const pass = (check: string, on: string) => finding({ check, on, verdict: 'pass' });
  await server.commit(
    commit({
      sequence: 1,
      snapshot: true,
      put: [finding(), pass('container.privileged', 'c2'), pass('container.host-pid', 'c1')],
    }),
  );
  await server.commit(
    commit({
      nodeId: 'n2',
      sequence: 1,
      snapshot: true,
      put: [pass('container.privileged', 'c9'), pass('container.host-pid', 'c9')],
    }),
  );
}

void t.test('results of a benchmark: over the fleet, on a node, by node', async (t) => {
  const server = await startServer(t);
  await fleet(server);
  const read = async <T>(path: string): Promise<T> => (await (await server.fetch(path)).json()) as T;
  const of = (results: Results, control: string) => results.controls.find(({ id }) => id === control);
  // CIS Docker 1.8.0: 5.5 privileged containers, 5.16 the pid namespace of the host.
  const whole = await read<Results>(`/v1/benchmarks/${BENCHMARK}/results`);
  t.match(of(whole, '5.5'), { verdict: 'fail', findings: { fail: 1, pass: 2 } });
  t.match(of(whole, '5.16'), { verdict: 'pass', findings: { fail: 0, pass: 2 } });
  t.equal(whole.nodes, 2);
  const unseen = whole.controls.filter(({ missing }) => missing.length > 0);
  t.ok(unseen.length > 50 && unseen.every(({ verdict }) => verdict === 'unknown'), 'no finding is no pass');
  t.equal(whole.score.counted, unseen.length + 2);

  const second = await read<Results>(`/v1/benchmarks/${BENCHMARK}/results?node=web-2`);
  t.match(of(second, '5.5'), { verdict: 'pass', findings: { pass: 1 } });
  t.equal(second.score.passed, 2);
  const level = await read<Results>(`/v1/benchmarks/${BENCHMARK}/results?level=1`);
  t.equal(level.controls.length, findBenchmark(BENCHMARK)?.controls.filter((one) => one.level === 1).length);

  interface Nodes {
    readonly nodes: readonly { readonly name: string; readonly score: Results['score'] }[];
    readonly cursor?: string;
  }
  const first = await read<Nodes>(`/v1/benchmarks/${BENCHMARK}/nodes?limit=1`);
  t.match(first.nodes, [{ name: 'web-1', score: { passed: 1 } }]);
  const rest = await read<Nodes>(
    `/v1/benchmarks/${BENCHMARK}/nodes?limit=1&cursor=${encodeURIComponent(first.cursor ?? '')}`,
  );
  t.match(rest, { nodes: [{ name: 'web-2', score: { passed: 2 } }] });
  t.equal(rest.cursor, undefined);

  t.equal((await server.fetch('/v1/benchmarks/cis-docker-9/results')).status, 404);
  t.equal((await server.fetch(`/v1/benchmarks/${BENCHMARK}/results?node=none`)).status, 404);
});

void t.test('findings of a benchmark and of a control', async (t) => {
  const server = await startServer(t);
  await fleet(server);
  const other = finding({ check: 'kernel.aslr', kind: 'node', on: 'n1' });
  await server.commit(commit({ sequence: 2, put: [other] }));
  const checks = async (query: string): Promise<readonly string[]> => {
    const { findings } = (await (await server.fetch(`/v1/findings?${query}`)).json()) as {
      findings: { check: string }[];
    };
    return [...new Set(findings.map(({ check }) => check))].toSorted();
  };
  const named = new Set(findBenchmark(BENCHMARK)?.controls.flatMap((control) => control.checks));
  t.strictSame(
    await checks(`benchmark=${BENCHMARK}`),
    ['container.host-pid', 'container.privileged', 'kernel.aslr'].filter((check) => named.has(check)),
  );
  t.strictSame(await checks(`benchmark=${BENCHMARK}&control=5.16`), ['container.host-pid']);
  t.strictSame(await checks(`benchmark=${BENCHMARK}&control=5.16&check=container.privileged`), [], 'both must hold');
  for (const query of ['control=5.5', 'benchmark=none', `benchmark=${BENCHMARK}&control=99`])
    t.equal((await server.fetch(`/v1/findings?${query}`)).status, 400, query);
});

void t.test('trend: the last score of each day', async (t) => {
  const clock = createFakeClock(T0);
  const server = await startServer(t, { clock });
  const stop = new AbortController();
  const over = keepBenchmarkScores({
    store: server.store,
    benchmarks: BENCHMARKS,
    clock,
    log: SILENT,
    signal: stop.signal,
  });
  const days = async () =>
    (
      (await (await server.fetch(`/v1/benchmarks/${BENCHMARK}/trend`)).json()) as {
        days: { nodes: number; score: Results['score'] }[];
      }
    ).days;
  await clock.advance(2 * HOUR_MS);
  t.strictSame(await days(), [], 'a fleet without nodes has no score');
  await fleet(server);
  await clock.advance(2 * HOUR_MS);
  t.match(await days(), [{ nodes: 2, score: { passed: 1 } }]);
  await server.commit(commit({ sequence: 2, gone: [finding().id] }));
  await clock.advance(2 * HOUR_MS);
  t.match(await days(), [{ score: { passed: 2 } }], 'replaced on the same day');
  await clock.advance(24 * HOUR_MS);
  t.equal((await days()).length, 2);
  stop.abort();
  await clock.advance(2 * HOUR_MS);
  await over;
});
