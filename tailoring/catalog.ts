import { BENCHMARKS, findBenchmark } from '../posture/benchmark/benchmark.ts';
import type { Benchmark } from '../posture/benchmark/benchmark.ts';
import type { Check } from '../posture/check/check.ts';
import { CHECKS } from '../posture/check/registry.ts';
import type { ControlReference } from '../posture/finding.ts';
import type { ExcludedCheck } from './profile.ts';
import type { FileProblem } from '../image/policy/yaml-files.ts';
import type { SourceDocument } from './read-documents.ts';

/** The checks of Plimsoll and custom ones, as a profile tailors them, with the benchmarks that they answer. */
export interface Catalog {
  /** Those that are judged, sorted by id. */
  readonly checks: readonly Check[];
  /** Those that the profile leaves out. */
  readonly excluded: readonly ExcludedCheck[];
  /** Name of the profile; undefined: none, every check is judged. */
  readonly profile: string | undefined;
  readonly benchmarks: readonly Benchmark[];
}

/** The catalog of Plimsoll alone. */
export const BUILT_IN_CATALOG: Catalog = Object.freeze({
  checks: CHECKS,
  excluded: [],
  profile: undefined,
  benchmarks: BENCHMARKS,
});

/** A catalog, or everything that is wrong with its files. */
export type LoadedCatalog =
  { readonly ok: true; readonly catalog: Catalog } | { readonly ok: false; readonly problems: readonly FileProblem[] };

/** The settings that a catalog is made by. */
export interface CatalogSettings {
  readonly checksFile: readonly string[];
  /** File of a profile, or `none`. */
  readonly profile: string;
}

/** The catalog with the custom checks and the profile that the settings name. Never rejects. */
export async function loadCatalog({ checksFile, profile }: CatalogSettings): Promise<LoadedCatalog> {
  const whole = checksFile.length === 0 ? BUILT_IN_CATALOG : await addCustomChecks(checksFile);
  if ('ok' in whole) return whole;
  return profile === 'none' ? { ok: true, catalog: whole } : addProfile(whole, profile);
}

/** Every check of a catalog, judged or not, sorted by id. */
export function allChecks({ checks, excluded }: Catalog): readonly Check[] {
  return excluded.length === 0 ? checks : [...checks, ...excluded.map(({ check }) => check)].sort(byId);
}

/** Why checks are excluded, by id. */
export function exclusions({ excluded }: Catalog): ReadonlyMap<string, string> {
  return new Map(excluded.map(({ check, reason }) => [check.id, reason]));
}

function byId(one: Check, other: Check): number {
  return one.id < other.id ? -1 : 1;
}

async function addProfile(catalog: Catalog, path: string): Promise<LoadedCatalog> {
  const [{ applyProfile, parseProfile, PROFILE_KIND }, { readDocuments }] = await Promise.all([
    import('./profile.ts'),
    import('./read-documents.ts'),
  ]);
  const read = await readDocuments([path]);
  if (!read.ok) return read;
  const [document, second] = read.documents;
  const failed = (source: SourceDocument, problem: string): LoadedCatalog => ({
    ok: false,
    problems: [source.problemAt(problem)],
  });
  if (document === undefined) return { ok: false, problems: [{ source: path, problem: 'contains no document' }] };
  if (second !== undefined) return failed(second, 'metadata: expected one profile, not several documents');
  if (document.kind !== PROFILE_KIND) return failed(document, `kind: expected ${PROFILE_KIND}`);
  const parsed = parseProfile(document.value);
  if (!parsed.ok) return failed(document, parsed.problem);
  const applied = applyProfile(parsed.value, catalog.checks, catalog.benchmarks);
  if (!applied.ok) return failed(document, applied.problem);
  return { ok: true, catalog: { ...catalog, ...applied.value, profile: parsed.value.name } };
}

async function addCustomChecks(
  paths: readonly string[],
): Promise<Catalog | Extract<LoadedCatalog, { readonly ok: false }>> {
  // These load the parsers of CEL and of regular expressions, 6 MiB that nothing else in an agent needs.
  const [{ loadChecks }, { CHECK_TEST_KIND }] = await Promise.all([
    import('./load-checks.ts'),
    import('./check-test.ts'),
  ]);
  const loaded = await loadChecks(paths);
  if (!loaded.ok) return loaded;
  const other = loaded.others.find(({ kind }) => kind !== CHECK_TEST_KIND);
  if (other !== undefined) return { ok: false, problems: [other.problemAt('kind: expected Check or CheckTest')] };
  const custom = loaded.checks.map(({ check }) => check);
  const answers = new Map<string, string[]>();
  for (const { definition } of loaded.checks)
    for (const { benchmark, control } of definition.controls) {
      const key = keyOf({ benchmark: findBenchmark(benchmark)?.id ?? benchmark, control });
      answers.set(key, [...(answers.get(key) ?? []), definition.id]);
    }
  return {
    ...BUILT_IN_CATALOG,
    checks: [...CHECKS, ...custom].sort(byId),
    benchmarks: answers.size === 0 ? BENCHMARKS : BENCHMARKS.map((each) => withChecks(each, answers)),
  };
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
  return `${findBenchmark(benchmark)?.id ?? benchmark} ${control}`;
}

/** The first problem in one line, and how many more there are. */
export function problemsText(problems: readonly FileProblem[]): string {
  const [first, ...others] = problems;
  if (first === undefined) return 'unknown problem';
  const more = others.length === 0 ? '' : ` (and ${String(others.length)} more)`;
  return `${first.source}: ${first.problem}${more}`;
}
