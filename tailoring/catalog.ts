import { BENCHMARKS } from '../posture/benchmark/benchmark.ts';
import type { Benchmark } from '../posture/benchmark/benchmark.ts';
import type { Check } from '../posture/check/check.ts';
import { CHECKS } from '../posture/check/registry.ts';
import type { ControlReference } from '../posture/finding.ts';
import { CHECK_TEST_KIND } from './check-test.ts';
import type { FileProblem } from './read-documents.ts';

/** The checks of Plimsoll and custom ones, with the benchmarks that they answer. */
export interface Catalog {
  /** Sorted by id. */
  readonly checks: readonly Check[];
  readonly benchmarks: readonly Benchmark[];
}

/** The catalog of Plimsoll alone. */
export const BUILT_IN_CATALOG: Catalog = Object.freeze({ checks: CHECKS, benchmarks: BENCHMARKS });

/** A catalog, or everything that is wrong with its files. */
export type LoadedCatalog =
  { readonly ok: true; readonly catalog: Catalog } | { readonly ok: false; readonly problems: readonly FileProblem[] };

/** The catalog with the custom checks of these files and directories. Never rejects. */
export async function loadCatalog({ checksFile }: { readonly checksFile: readonly string[] }): Promise<LoadedCatalog> {
  if (checksFile.length === 0) return { ok: true, catalog: BUILT_IN_CATALOG };
  const { loadChecks } = await import('./load-checks.ts');
  const loaded = await loadChecks(checksFile);
  if (!loaded.ok) return loaded;
  const other = loaded.others.find(({ kind }) => kind !== CHECK_TEST_KIND);
  if (other !== undefined) return { ok: false, problems: [other.problemAt('kind: expected Check or CheckTest')] };
  const custom = loaded.checks.map(({ check }) => check);
  const checks = [...CHECKS, ...custom].sort((one, other) => (one.id < other.id ? -1 : 1));
  const answers = new Map<string, string[]>();
  for (const { definition } of loaded.checks)
    for (const control of definition.controls) {
      const key = keyOf(control);
      answers.set(key, [...(answers.get(key) ?? []), definition.id]);
    }
  const benchmarks = answers.size === 0 ? BENCHMARKS : BENCHMARKS.map((each) => withChecks(each, answers));
  return { ok: true, catalog: { checks, benchmarks } };
}

/** The benchmark with further checks of its controls. */
function withChecks(benchmark: Benchmark, answers: ReadonlyMap<string, readonly string[]>): Benchmark {
  return {
    ...benchmark,
    controls: benchmark.controls.map((control) => {
      const added = answers.get(keyOf({ benchmark: benchmark.id, control: control.id })) ?? [];
      return added.length === 0 ? control : { ...control, checks: [...control.checks, ...added] };
    }),
  };
}

function keyOf({ benchmark, control }: ControlReference): string {
  return `${benchmark} ${control}`;
}

/** The first problem in one line, and how many more there are. */
export function problemsText(problems: readonly FileProblem[]): string {
  const [first, ...others] = problems;
  if (first === undefined) return 'unknown problem';
  const more = others.length === 0 ? '' : ` (and ${String(others.length)} more)`;
  return `${first.source}: ${first.problem}${more}`;
}
