// What tap recorded of a run, and the lines with which `npm test` ends. Pure, apart from reading the report.
import { existsSync, readFileSync } from 'node:fs';
import { Parser } from 'tap-parser';

/**
 * @typedef {{ file: string, names: string[] }} Failure A file and the names of its failed assertions; file is empty if
 *   tap itself failed.
 * @typedef {{ reason: string, file: string }} Skip One skipped test or assertion.
 * @typedef {{ passed: number, skips: Skip[], failures: Failure[] }} Outcome Counts of assertions, not of files.
 */

/** The line with which tap begins the assertions of a file, and the one that follows them. */
const BEGIN = /^# Subtest: (test\/\S+)/gm;
const RESULT = /^(?:not )?ok \d+ - (test\/\S+)/gm;

/** @returns {Outcome} */
export function emptyOutcome() {
  return { passed: 0, skips: [], failures: [] };
}

/**
 * Counts the assertions of a report in TAP format. A file without a result is a failure.
 * @param {readonly string[]} files Those that ran, relative to the directory of the run.
 */
export function readReport(path, files) {
  return parseReport(existsSync(path) ? readFileSync(path, 'utf8') : '', files);
}

/** Counts assertions, not files and not the lines that close a subtest. */
export function parseReport(text, files) {
  const outcome = emptyOutcome();
  for (const [kind, assertion] of Parser.parse(nameTimeouts(text), { flat: true }))
    if (kind === 'assert') tally(outcome, assertion);
  // tap leaves out the results of other files after one that reached its time limit.
  const ended = namesOfFiles(text, RESULT);
  for (const file of files)
    if (!ended.has(file) && !outcome.failures.some((failure) => failure.file === file))
      addFailure(outcome, file, `${file} > no result`);
  return outcome;
}

function namesOfFiles(text, pattern) {
  return new Set([...text.matchAll(pattern)].map(([, file]) => file));
}

function tally(outcome, assertion) {
  const [file] = assertion.name.split(' > ');
  if (assertion.skip || assertion.todo) {
    const reason = [assertion.skip, assertion.todo].find((each) => typeof each === 'string' && each !== '');
    outcome.skips.push({ reason: reason ?? assertion.name, file });
  } else if (assertion.ok) outcome.passed += 1;
  else addFailure(outcome, file, assertion.name);
}

export function addFailure(outcome, file, name) {
  const failure = outcome.failures.find((each) => each.file === file);
  if (failure === undefined) outcome.failures.push({ file, names: [name] });
  else failure.names.push(name);
}

/** Adds the counts of one run to those of others. */
export function addOutcome(total, outcome) {
  total.passed += outcome.passed;
  total.skips.push(...outcome.skips);
  total.failures.push(...outcome.failures);
}

/**
 * tap reports a file that it ended at its time limit as `timeout!`, without the name of the file: it is one whose result is
 * missing, or where none is, the one that tap says has expired.
 */
function nameTimeouts(report) {
  const ended = namesOfFiles(report, RESULT);
  const open = [...namesOfFiles(report, BEGIN)].filter((file) => !ended.has(file));
  return report.replaceAll(
    /^(not ok \d+ - )(timeout!\n(?: {2}---\n {2}expired: (\S+))?)/gm,
    (_, head, rest, expired) => `${head}${open.shift() ?? expired ?? ''} > ${rest}`,
  );
}

/** Wall time of each file in whole seconds, the longest first. */
export function fileTimes(text) {
  return [...text.matchAll(/^(?:not )?ok \d+ - (test\/\S+) # time=([\d.]+)(m?)s/gm)]
    .map(
      ([, file, time, milli]) => /** @type {const} */ ([file, Math.round(Number(time) / (milli === 'm' ? 1000 : 1))]),
    )
    .sort(([, one], [, other]) => other - one);
}

/**
 * The closing lines and the exit status.
 * @param {Outcome} outcome Failures that remain.
 * @param {{ strict: boolean, absent: readonly string[], unstable: readonly string[] }} run strict: a skip is a failure.
 *   absent: components. unstable: names of assertions that failed first and passed when their file ran alone.
 */
export function summarize(outcome, { strict, absent, unstable }) {
  const lines = unstable.map((name) => `unstable: ${oneLine(name)}`);
  for (const { names } of outcome.failures) for (const name of names) lines.push(`not ok: ${oneLine(name)}`);
  const prefix = strict ? 'not ok: skipped' : 'skipped';
  for (const [where, times] of countSkips(outcome.skips))
    lines.push(`${prefix}: ${where}${times > 1 ? `, ${times} times` : ''}`);
  for (const name of absent) lines.push(`${prefix}: component ${name} is absent`);
  const skipped = outcome.skips.length + absent.length;
  const failed = outcome.failures.reduce((sum, { names }) => sum + names.length, 0) + (strict ? skipped : 0);
  const rest = strict || skipped === 0 ? '' : `, ${skipped} skipped`;
  lines.push(`${outcome.passed} passed, ${failed} failed${rest}`);
  return { lines, status: failed > 0 || outcome.passed === 0 ? 1 : 0 };
}

function countSkips(skips) {
  const counts = new Map();
  for (const { reason, file } of skips) {
    const where = `${oneLine(reason)} (${file})`;
    counts.set(where, (counts.get(where) ?? 0) + 1);
  }
  return counts;
}

/** Names of assertions can hold line breaks; each closing line is one line. */
function oneLine(text) {
  return text.replaceAll(/\s+/g, ' ').trim();
}
