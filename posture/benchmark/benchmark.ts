import type { ControlReference } from '../finding.ts';
import cisDocker from './cis-docker.json' with { type: 'json' };

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

/** A control with its number in CIS Docker 1.8.0. `earlierId`: the one in 1.6.0 and 1.7.0 where it differs; null: none. */
interface CisDockerControl extends Control {
  readonly earlierId?: string | null;
}

/** Every benchmark, sorted by id. 1.8.0 of CIS Docker inserts one control and renumbers those after it. */
export const BENCHMARKS: readonly Benchmark[] = Object.freeze([
  cisDockerBenchmark('1.6.0', { isEarlier: true }),
  cisDockerBenchmark('1.7.0', { isEarlier: true }),
  cisDockerBenchmark('1.8.0', { isEarlier: false }),
]);

function cisDockerBenchmark(version: string, { isEarlier }: { readonly isEarlier: boolean }): Benchmark {
  const all: readonly CisDockerControl[] = cisDocker.controls;
  const controls = all.flatMap(({ earlierId, ...control }) => {
    const id = isEarlier && earlierId !== undefined ? earlierId : control.id;
    return id === null ? [] : [{ ...control, id }];
  });
  return { id: `cis-docker-${version}`, title: `CIS Docker Benchmark ${version}`, controls };
}

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
