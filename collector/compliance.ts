import type { Benchmark } from '../posture/benchmark/benchmark.ts';
import { assessBenchmark } from '../posture/benchmark/compliance.ts';
import type { BenchmarkResult, JudgedFinding } from '../posture/benchmark/compliance.ts';
import { jittered } from '../service/backoff.ts';
import { sleep } from '../service/clock.ts';
import type { Clock } from '../service/clock.ts';
import type { Logger } from '../service/log.ts';
import type { Store } from './store/store.ts';

/** More than there are checks. */
const MAX_CHECKS = 10_000;
const HOUR_MS = 3_600_000;
/** A collector that just started has not heard of its nodes yet. */
const FIRST_MS = 10 * 60_000;

/** How much of a benchmark counts. `nodes` undefined: the whole fleet. */
export interface ResultScope {
  readonly level?: number | undefined;
  readonly excluded?: ReadonlyMap<string, string> | undefined;
  readonly nodes?: readonly string[] | undefined;
}

/** The results of the controls of a benchmark over what the collector knows. */
export async function fleetResult(
  store: Pick<Store, 'findingGroups'>,
  benchmark: Benchmark,
  scope: ResultScope = {},
): Promise<BenchmarkResult<JudgedFinding>> {
  return assessBenchmark(benchmark, await countByCheck(store, scope), scope);
}

async function countByCheck(
  store: Pick<Store, 'findingGroups'>,
  { nodes }: ResultScope,
): Promise<readonly JudgedFinding[]> {
  const groups = await store.findingGroups({
    by: 'check',
    limit: MAX_CHECKS,
    ...(nodes === undefined ? {} : { nodes }),
  });
  return groups.flatMap(({ check = '', statusCounts }) =>
    statusCounts.map(({ verdict, count, waived = false }) => ({ check, verdict, count, waived })),
  );
}

/** What keeps the scores needs. */
export interface ScoreOptions {
  readonly store: Pick<Store, 'findingGroups' | 'nodes' | 'putBenchmarkScores'>;
  readonly benchmarks: readonly Benchmark[];
  readonly excluded?: ReadonlyMap<string, string> | undefined;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/** Stores the score of every benchmark over the fleet each hour, until `signal` aborts. A fleet without nodes has none. */
export async function keepBenchmarkScores({
  store,
  benchmarks,
  excluded,
  clock,
  log,
  signal,
}: ScoreOptions): Promise<void> {
  await sleep(clock, FIRST_MS, signal);
  while (!signal.aborted) {
    try {
      const [nodes, findings] = [await store.nodes(), await countByCheck(store, {})];
      const scores = benchmarks.map((benchmark) => {
        const { score, waived } = assessBenchmark(benchmark, findings, { excluded });
        return { benchmark: benchmark.id, score, waived };
      });
      if (nodes.length > 0) await store.putBenchmarkScores(scores, { atMs: clock.now(), nodes: nodes.length });
    } catch (error) {
      log.warn({ error }, 'the scores of benchmarks could not be stored; they are computed again in an hour');
    }
    await sleep(clock, jittered(HOUR_MS, 0.1, Math.random), signal);
  }
}
