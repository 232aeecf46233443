import { BENCHMARKS, findBenchmark } from '../posture/benchmark/benchmark.ts';
import { suggestion } from '../posture/query/nearest.ts';
import { CHECK_KIND, parseCheckDocument } from './check-document.ts';
import type { CheckDefinition } from './check-document.ts';
import { createCheckVariables } from './check-variables.ts';
import type { CheckVariables } from './check-variables.ts';
import { createCustomCheck } from './custom-check.ts';
import type { CreatedCheck } from './custom-check.ts';
import { readDocuments } from './read-documents.ts';
import type { FileProblem } from '../image/policy/yaml-files.ts';
import type { SourceDocument } from './read-documents.ts';

/** A custom check with what it was made of. */
export interface CustomCheck extends CreatedCheck {
  readonly definition: CheckDefinition;
  /** The file that defines it. */
  readonly path: string;
}

/** The custom checks of some files, sorted by id, or everything that is wrong with them. */
export type LoadedChecks =
  | { readonly ok: true; readonly checks: readonly CustomCheck[]; readonly others: readonly SourceDocument[] }
  | { readonly ok: false; readonly problems: readonly FileProblem[] };

/** Far more than anyone writes; each is judged for each of its subjects in every round. */
const MAX_CHECKS = 500;

/**
 * Loads the checks of files and directories. One problem refuses all: a check that is left out would look like one that
 * passes. `others`: documents of another kind. Never rejects.
 */
export async function loadChecks(paths: readonly string[]): Promise<LoadedChecks> {
  const read = await readDocuments(paths);
  if (!read.ok) return read;
  const variables = createCheckVariables();
  const checks = new Map<string, CustomCheck>();
  const problems: FileProblem[] = [];
  for (const document of read.documents.filter(({ kind }) => kind === CHECK_KIND)) {
    const made = createFrom(document, variables);
    if (!made.ok) {
      problems.push(document.problemAt(made.problem));
      continue;
    }
    const { id } = made.value.definition;
    const earlier = checks.get(id);
    if (earlier === undefined) checks.set(id, made.value);
    else problems.push(document.problemAt(`metadata.name: ${id} is also the name of a check in ${earlier.path}`));
  }
  if (checks.size > MAX_CHECKS)
    problems.push({ source: paths.join(', '), problem: `more than ${String(MAX_CHECKS)} checks` });
  if (problems.length > 0) return { ok: false, problems };
  const sorted = [...checks.values()].sort((one, other) => (one.check.id < other.check.id ? -1 : 1));
  return { ok: true, checks: sorted, others: read.documents.filter(({ kind }) => kind !== CHECK_KIND) };
}

type Made = { readonly ok: true; readonly value: CustomCheck } | { readonly ok: false; readonly problem: string };

function createFrom({ value, path }: SourceDocument, variables: CheckVariables): Made {
  const parsed = parseCheckDocument(value);
  if (!parsed.ok) return parsed;
  for (const [index, { benchmark, control }] of parsed.value.controls.entries()) {
    const known = findBenchmark(benchmark);
    const place = `spec.controls[${String(index)}]`;
    const see = '; see: plimsoll benchmarks';
    const meant = suggestion(
      benchmark,
      BENCHMARKS.map(({ id }) => id),
    );
    if (known === undefined) return { ok: false, problem: `${place}.benchmark: unknown benchmark${meant}${see}` };
    if (!known.controls.some(({ id }) => id === control))
      return {
        ok: false,
        problem: `${place}.control: ${known.id} has no control ${JSON.stringify(control)}${see} ${known.id}`,
      };
  }
  const created = createCustomCheck(parsed.value, variables);
  return created.ok ? { ok: true, value: { ...created.value, definition: parsed.value, path } } : created;
}
