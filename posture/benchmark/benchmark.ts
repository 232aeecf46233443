import type { ControlReference } from '../finding.ts';
import cisDocker160 from './cis-docker-1.6.0.json' with { type: 'json' };
import cisDocker170 from './cis-docker-1.7.0.json' with { type: 'json' };
import cisDocker180 from './cis-docker-1.8.0.json' with { type: 'json' };

/** One entry of a benchmark: its number, what it asks for in our words, and the checks that answer it. */
export interface Control {
  readonly id: string;
  readonly title: string;
  readonly level: number;
  /** All of them must pass. Empty: no check answers this, and `why` says so in one sentence. */
  readonly checks: readonly string[];
  readonly why?: string;
}

/** A published benchmark. Its text is not repeated here, only its numbers. */
export interface Benchmark {
  /** `cis-docker-1.8.0` */
  readonly id: string;
  readonly title: string;
  readonly controls: readonly Control[];
}

/** Every benchmark, sorted by id. */
export const BENCHMARKS: readonly Benchmark[] = Object.freeze([cisDocker160, cisDocker170, cisDocker180]);

/** The benchmark with this id. */
export function findBenchmark(id: string): Benchmark | undefined {
  return BENCHMARKS.find((benchmark) => benchmark.id === id);
}

/** The controls that a check answers, in the order of `BENCHMARKS`. Walks them all: keep the answer for a list. */
export function controlsOf(checkId: string): readonly ControlReference[] {
  return BENCHMARKS.flatMap(({ id, controls }) =>
    controls
      .filter(({ checks }) => checks.includes(checkId))
      .map((control) => ({ benchmark: id, control: control.id })),
  );
}
