import { dirname, resolve } from 'node:path';
import type { Facts } from '../../posture/fact/facts.ts';
import { judgeAll } from '../../posture/judge.ts';
import type { Check } from '../../posture/check/check.ts';
import type { Verdict } from '../../posture/verdict.ts';
import { withParameters } from '../../tailoring/check-document.ts';
import { CHECK_TEST_KIND, givenVariables, parseCheckTest } from '../../tailoring/check-test.ts';
import type { CheckCase } from '../../tailoring/check-test.ts';
import { createCheckVariables, variableTypes } from '../../tailoring/check-variables.ts';
import { createCustomCheck } from '../../tailoring/custom-check.ts';
import { loadChecks } from '../../tailoring/load-checks.ts';
import type { CustomCheck } from '../../tailoring/load-checks.ts';
import type { FileProblem } from '../../image/policy/yaml-files.ts';
import type { SourceDocument } from '../../tailoring/read-documents.ts';
import { EXIT_FAILURE, EXIT_ISSUES, EXIT_OK } from '../command.ts';
import type { Context } from '../context.ts';
import { junitXml } from '../output/junit.ts';
import { printListing } from '../output/listing.ts';
import { printError } from '../print-error.ts';
import { isSubject } from '../scan/select.ts';

/** What came of a check and a subject. `expected` is null without a case. */
interface CaseResult {
  readonly name: string;
  readonly check: string;
  /** Name of the subject; empty for values that a case gives. */
  readonly subject: string;
  readonly verdict: Verdict;
  readonly expected: Verdict | null;
  readonly reason: string;
}

type Outcome<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly problem: string };

/** The facts of a recording, each read once. */
type Recordings = (directory: string) => Promise<Outcome<Facts>>;

/** Runs `plimsoll checks test`: cases of the files, or with `--recording` alone every check on a recorded node. */
export async function testChecks(context: Context, operands: readonly string[]): Promise<number> {
  const paths = operands.map((path) => resolve(context.workingDirectory, path));
  const loaded = await loadChecks(paths);
  if (!loaded.ok) return printProblems(context, loaded.problems);
  const tests = readTests(loaded.others);
  if (!tests.ok) return printProblems(context, tests.problems);
  const named = [...new Set(tests.value.flatMap(({ files }) => files))].filter((path) => !paths.includes(path));
  const further = named.length === 0 ? loaded : await loadChecks(paths.concat(named));
  if (!further.ok) return printProblems(context, further.problems);
  const { checks } = further;
  const recordings = createRecordings(context);
  const recording = context.args.value('recording');
  const preset = recording === undefined ? undefined : resolve(context.workingDirectory, recording);
  const results: CaseResult[] = [];
  if (tests.value.length === 0) {
    if (preset === undefined)
      return printError(
        context,
        'these files contain no cases',
        'add documents of kind CheckTest, or name a recorded node: --recording DIR',
      );
    const facts = await recordings(preset);
    if (!facts.ok) return printError(context, facts.problem);
    results.push(...checks.flatMap(({ check }) => judgeRecorded(check, facts.value, '', null)));
  }
  for (const { cases, directory, document } of tests.value)
    for (const [index, one] of cases.entries()) {
      const own = one.recording === null ? preset : resolve(directory, one.recording);
      const outcome = await runCase(one, checks, own === undefined ? undefined : () => recordings(own));
      if (!outcome.ok)
        return printProblems(context, [document.problemAt(`cases[${String(index)}].${outcome.problem}`)]);
      results.push(...outcome.value);
    }
  await printResults(context, results);
  return results.every(isExpected) ? EXIT_OK : EXIT_ISSUES;
}

async function printProblems(context: Context, problems: readonly FileProblem[]): Promise<number> {
  for (const { source, problem } of problems) await printError(context, `${source}: ${problem}`);
  return EXIT_FAILURE;
}

interface CheckTests {
  readonly cases: readonly CheckCase[];
  /** Absolute paths of files with further checks. */
  readonly files: readonly string[];
  readonly directory: string;
  readonly document: SourceDocument;
}

function readTests(
  documents: readonly SourceDocument[],
):
  | { readonly ok: true; readonly value: readonly CheckTests[] }
  | { readonly ok: false; readonly problems: readonly FileProblem[] } {
  const tests: CheckTests[] = [];
  const problems: FileProblem[] = [];
  for (const document of documents) {
    const parsed =
      document.kind === CHECK_TEST_KIND
        ? parseCheckTest(document.value)
        : { ok: false as const, problem: 'kind: expected Check or CheckTest' };
    const directory = dirname(document.path);
    if (parsed.ok)
      tests.push({
        cases: parsed.value.cases,
        files: parsed.value.checks.map((file) => resolve(directory, file)),
        directory,
        document,
      });
    else problems.push(document.problemAt(parsed.problem));
  }
  return problems.length === 0 ? { ok: true, value: tests } : { ok: false, problems };
}

function createRecordings({ programs, settings }: Context): Recordings {
  const read = new Map<string, Promise<Outcome<Facts>>>();
  return (directory) => {
    const known = read.get(directory);
    if (known !== undefined) return known;
    const { signal } = new AbortController();
    const opened = programs
      .scan({ settings, checks: [], recorded: directory, signal })
      .then((outcome): Outcome<Facts> =>
        outcome.ok ? { ok: true, value: outcome.facts } : { ok: false, problem: outcome.problem },
      );
    read.set(directory, opened);
    return opened;
  };
}

async function runCase(
  one: CheckCase,
  checks: readonly CustomCheck[],
  recorded: (() => Promise<Outcome<Facts>>) | undefined,
): Promise<Outcome<readonly CaseResult[]>> {
  const found = checks.find(({ definition }) => definition.id === one.check);
  if (found === undefined) return { ok: false, problem: `check: these files have no check ${one.check}` };
  const changed = withParameters(found.definition, one.parameters);
  if (!changed.ok) return { ok: false, problem: `parameters.${changed.problem}` };
  const created = createCustomCheck(changed.value, createCheckVariables());
  if (!created.ok) return created;
  const { check, judgeValues } = created.value;
  if (one.given !== null) {
    const values = givenVariables(one.given, variableTypes(changed.value.subject, changed.value.parameters));
    if (!values.ok) return values;
    const { verdict, reason = '' } = judgeValues(values.value);
    return {
      ok: true,
      value: [{ name: one.name, check: one.check, subject: '', verdict, expected: one.expect, reason }],
    };
  }
  if (recorded === undefined)
    return { ok: false, problem: 'recording: expected a directory here, given, or --recording DIR' };
  const facts = await recorded();
  if (!facts.ok) return { ok: false, problem: `recording: ${facts.problem}` };
  const results = judgeRecorded(check, facts.value, one.name, one.expect, one.subject ?? undefined);
  return results.length === 0
    ? { ok: false, problem: `subject: the recorded node has nothing of this name or id that ${one.check} judges` }
    : { ok: true, value: results };
}

function judgeRecorded(
  check: Check,
  facts: Facts,
  name: string,
  expected: Verdict | null,
  wanted?: string,
): readonly CaseResult[] {
  return [...judgeAll([check], facts).values()]
    .filter(({ subject }) => wanted === undefined || isSubject(wanted, subject))
    .map(({ subject, verdict, reason = '' }) => ({
      name,
      check: check.id,
      subject: subject.name,
      verdict,
      expected,
      reason,
    }));
}

function isExpected({ verdict, expected }: CaseResult): boolean {
  return expected === null || verdict === expected;
}

async function printResults(context: Context, results: readonly CaseResult[]): Promise<void> {
  const { args, paint, stdout } = context;
  if (args.value('output') === 'junit') return stdout.write(junitDocument(results));
  const failed = results.filter((result) => !isExpected(result)).length;
  return printListing(context, {
    document: { passed: results.length - failed, failed, cases: results },
    items: results,
    names: results.map(({ name, check, subject }) => name || `${check} ${subject}`),
    columns: [
      { title: 'RESULT' },
      { title: 'CASE' },
      { title: 'CHECK' },
      { title: 'SUBJECT' },
      { title: 'VERDICT' },
      { title: 'REASON', min: 12 },
    ],
    rows: results.map((result) => {
      const { name, check, subject, verdict, expected, reason } = result;
      const cell =
        expected === null
          ? { text: '' }
          : isExpected(result)
            ? { text: 'ok', paint: paint.good }
            : { text: `expected ${expected}`, paint: paint.bad };
      return [cell, { text: name }, { text: check }, { text: subject }, { text: verdict }, { text: reason }];
    }),
    empty: 'No results.',
  });
}

/** A suite for each check, a case for each case and subject. */
function junitDocument(results: readonly CaseResult[]): string {
  const suites = [...Map.groupBy(results, ({ check }) => check)].map(([check, members]) => ({
    name: check,
    cases: members.map((result) => {
      const { name, subject, verdict, expected, reason } = result;
      const title = [name, subject].filter((part) => part !== '').join(': ') || check;
      const message = `expected ${expected ?? ''}, got ${verdict}`;
      const problem = { tag: 'failure', message, type: 'verdict', details: reason } as const;
      return { className: check, name: title, ...(!isExpected(result) && { problem }) };
    }),
  }));
  return junitXml('plimsoll checks test', suites);
}
