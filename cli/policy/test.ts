import { dirname, resolve } from 'node:path';
import { readBoundedText } from '../../image/policy/bounded-text.ts';
import { loadPolicies } from '../../image/policy/load-policies.ts';
import type { LoadedPolicies } from '../../image/policy/load-policies.ts';
import { parseYamlDocuments } from '../../image/policy/yaml-documents.ts';
import { decide } from '../../policy/decide.ts';
import { decidePodCase, parsePodTest, podDifferencesFrom, POD_TEST_KIND } from '../../policy/pod-case.ts';
import type { AllowedBy, PodTest } from '../../policy/pod-case.ts';
import { differencesBetween, evidenceOf, parsePolicyTest, subjectOf } from '../../policy/policy-case.ts';
import type { PolicyTest } from '../../policy/policy-case.ts';
import type { Parsed } from '../../posture/schema.ts';
import { EXIT_FAILURE, EXIT_ISSUES, EXIT_OK } from '../command.ts';
import type { Context } from '../context.ts';
import { printListing } from '../output/listing.ts';
import { junitXml } from '../output/junit.ts';
import { printError } from '../print-error.ts';
import type { Cell } from '../render/table.ts';
import { readObjects } from './read-objects.ts';

const MAX_TEST_BYTES = 1024 * 1024;

/** What came of one case. */
interface CaseResult {
  readonly file: string;
  readonly name: string;
  readonly outcome: string;
  /** Codes of the reasons and warnings. */
  readonly reasons: readonly string[];
  readonly warnings: readonly string[];
  /** Why a pod is allowed; absent for images, and for what is refused. */
  readonly allowedBy?: AllowedBy;
  /** What is not as the case expects it; empty: the case passes. */
  readonly differences: readonly string[];
}

/** The cases of one document. */
type Test =
  { readonly about: 'images'; readonly test: PolicyTest } | { readonly about: 'pods'; readonly test: PodTest };

type Policies = Extract<LoadedPolicies, { ok: true }>;

/** Runs the cases of files with policy tests and prints them. Answers 1 where a decision is not as expected. */
export async function testPolicies(context: Context, paths: readonly string[]): Promise<number> {
  const results: CaseResult[] = [];
  for (const path of paths) {
    const tests = await readTests(path);
    if (!tests.ok) return printError(context, `${path}: ${tests.problem}`);
    for (const one of tests.value) {
      const loaded = await loadPolicies(one.test.policies.map((file) => resolve(dirname(path), file)));
      if (!loaded.ok) {
        for (const { source, problem } of loaded.problems) await printError(context, `${source}: ${problem}`);
        return EXIT_FAILURE;
      }
      const now = one.test.now ?? context.clock.now();
      const outcome =
        one.about === 'pods' ? await runPodCases(path, one.test, loaded, now) : runCases(path, one.test, loaded, now);
      if (!outcome.ok) return printError(context, `${path}: ${outcome.problem}`);
      results.push(...outcome.value);
    }
  }
  await printResults(context, results);
  return results.every(({ differences }) => differences.length === 0) ? EXIT_OK : EXIT_ISSUES;
}

async function readTests(path: string): Promise<Parsed<readonly Test[]>> {
  const file = await readBoundedText(path, MAX_TEST_BYTES);
  if (!file.ok) return { ok: false, problem: file.reason };
  const yaml = parseYamlDocuments(file.text);
  if (!yaml.ok) return { ok: false, problem: yaml.reason };
  if (yaml.documents.length === 0) return { ok: false, problem: 'contains no cases' };
  const tests: Test[] = [];
  for (const document of yaml.documents) {
    const { kind } = (document ?? {}) as { readonly kind?: unknown };
    if (kind === POD_TEST_KIND) {
      const parsed = parsePodTest(document);
      if (!parsed.ok) return parsed;
      tests.push({ about: 'pods', test: parsed.value });
    } else {
      const parsed = parsePolicyTest(document);
      if (!parsed.ok) return parsed;
      tests.push({ about: 'images', test: parsed.value });
    }
  }
  return { ok: true, value: tests };
}

function runCases(
  file: string,
  { cases }: PolicyTest,
  { policies }: Policies,
  now: number,
): Parsed<readonly CaseResult[]> {
  const results: CaseResult[] = [];
  for (const [index, one] of cases.entries()) {
    const evidence = evidenceOf(one.evidence, policies, now);
    if (!evidence.ok) return { ok: false, problem: `cases[${String(index)}].${evidence.problem}` };
    const decision = decide(subjectOf(one), evidence.value, policies, now);
    results.push({ file, name: one.name, ...summary(decision), differences: differencesBetween(one.expect, decision) });
  }
  return { ok: true, value: results };
}

async function runPodCases(
  file: string,
  { cases, exemptNamespaces }: PodTest,
  sets: Policies,
  now: number,
): Promise<Parsed<readonly CaseResult[]>> {
  const results: CaseResult[] = [];
  for (const [index, one] of cases.entries()) {
    const at = `cases[${String(index)}]`;
    const object = one.file === null ? { ok: true as const, value: one.object } : await readObject(file, one.file);
    if (!object.ok) return { ok: false, problem: `${at}.${object.problem}` };
    const decision = decidePodCase(one, object.value, { sets, exemptNamespaces, now });
    if (!decision.ok) return { ok: false, problem: `${at}.${decision.problem}` };
    const { created } = decision.value;
    const allowedBy = created.allowedBy === undefined ? {} : { allowedBy: created.allowedBy };
    const differences = podDifferencesFrom(one, decision.value);
    results.push({ file, name: one.name, ...summary(created), ...allowedBy, differences });
  }
  return { ok: true, value: results };
}

/** The only object of a manifest. */
async function readObject(test: string, file: string): Promise<Parsed<unknown>> {
  const read = await readObjects(resolve(dirname(test), file), dirname(test));
  if (!read.ok) return { ok: false, problem: `file: ${read.reason}` };
  const [only, ...others] = read.objects;
  return only === undefined || others.length > 0
    ? { ok: false, problem: `file: has ${String(read.objects.length)} objects, expected one` }
    : { ok: true, value: only.object };
}

type Decided = { readonly outcome: string } & Readonly<
  Record<'reasons' | 'warnings', readonly { readonly code: string }[]>
>;

function summary({ outcome, reasons, warnings }: Decided) {
  const codes = (all: Decided['reasons']): readonly string[] => [...new Set(all.map(({ code }) => code))].sort();
  return { outcome, reasons: codes(reasons), warnings: codes(warnings) };
}

async function printResults(context: Context, results: readonly CaseResult[]): Promise<void> {
  const { args, paint, stdout } = context;
  if (args.value('output') === 'junit') return stdout.write(junitDocument(results));
  const failed = countFailed(results);
  const rows = results.map(({ name, outcome, allowedBy, differences }): readonly Cell[] => [
    differences.length === 0 ? { text: 'ok', paint: paint.good } : { text: 'FAILED', paint: paint.bad },
    { text: name },
    { text: outcome + (allowedBy === undefined ? '' : ALLOWED_BY_TEXT[allowedBy]) },
    { text: differences.join('; ') },
  ]);
  return printListing(context, {
    document: { passed: results.length - failed, failed, cases: results },
    items: results,
    names: results.map(({ name }) => name),
    columns: [{ title: 'RESULT' }, { title: 'CASE' }, { title: 'OUTCOME' }, { title: 'DIFFERENCE' }],
    rows,
    empty: 'No cases.',
  });
}

const ALLOWED_BY_TEXT: Readonly<Record<AllowedBy, string>> = {
  policies: '',
  breakGlass: ' (break-glass)',
  exemptNamespace: ' (exempt namespace)',
};

/** A suite for each file. */
function junitDocument(results: readonly CaseResult[]): string {
  const suites = [...Map.groupBy(results, ({ file }) => file)].map(([file, members]) => ({
    name: file,
    cases: members.map(({ name, differences: [message, ...others] }) => ({
      className: file,
      name,
      ...(message !== undefined && {
        problem: { tag: 'failure', message, type: 'decision', details: others.join('\n') } as const,
      }),
    })),
  }));
  return junitXml('plimsoll policy test', suites);
}

function countFailed(results: readonly CaseResult[]): number {
  return results.filter(({ differences }) => differences.length > 0).length;
}
