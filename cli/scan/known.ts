import { BENCHMARKS, findBenchmark } from '../../posture/benchmark/benchmark.ts';
import type { Check } from '../../posture/check/check.ts';
import { didYouMean } from '../../service/nearest.ts';

/** What is wrong with the name of a check or of an area; undefined if there is one among `checks`. */
export function unknownCheck(word: string, checks: readonly Pick<Check, 'id'>[]): string | undefined {
  const ids = checks.map(({ id }) => id);
  const areas = new Set(ids.map((id) => id.split('.', 1)[0] ?? ''));
  if (areas.has(word) || ids.includes(word)) return undefined;
  return `unknown check ${JSON.stringify(word)}${didYouMean(word, [...ids, ...areas])}`;
}

/** What is wrong with the name of a benchmark; undefined if there is one. */
export function unknownBenchmark(word: string): string | undefined {
  if (findBenchmark(word) !== undefined) return undefined;
  return `unknown benchmark ${JSON.stringify(word)}${didYouMean(
    word,
    BENCHMARKS.map(({ id }) => id),
  )}`;
}
