import { markup } from './xml.ts';

/** What became of a case that did not pass. */
export interface JunitProblem {
  readonly tag: 'failure' | 'error' | 'skipped';
  readonly message: string;
  readonly type?: string;
  /** Lines of text. */
  readonly details?: string;
}

/** One test case. Its texts are escaped when they are written. */
export interface JunitCase {
  readonly className: string;
  readonly name: string;
  /** Absent: it passed. */
  readonly problem?: JunitProblem | undefined;
  /** Lines of text for `system-out`. */
  readonly output?: string | undefined;
}

/** Cases that belong together. */
export interface JunitSuite {
  readonly name: string;
  readonly cases: readonly JunitCase[];
  /** Further attributes: `timestamp` without time zone, `hostname`. */
  readonly attributes?: Readonly<Record<string, string>>;
  readonly properties?: Readonly<Record<string, string>>;
  readonly output?: string | undefined;
}

/** JUnit XML, in the form that Jenkins and GitLab read. */
export function junitXml(name: string, suites: readonly JunitSuite[]): string {
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites name="${markup(name)}" ${countsOf(suites.flatMap(({ cases }) => cases))}>`,
    ...suites.flatMap(linesOf),
    '</testsuites>',
    '',
  ].join('\n');
}

function linesOf({ name, cases, attributes = {}, properties = {}, output }: JunitSuite): readonly string[] {
  const further = Object.entries(attributes).map(([key, value]) => ` ${key}="${markup(value)}"`);
  const named = Object.entries(properties).map(
    ([key, value]) => `<properties><property name="${key}" value="${markup(value)}"/></properties>`,
  );
  return [
    `<testsuite name="${markup(name)}" ${countsOf(cases)} skipped="${count(cases, 'skipped')}" time="0"${further.join('')}>`,
    ...named,
    ...cases.map(caseLine),
    ...(output === undefined ? [] : [`<system-out>${markup(output)}</system-out>`]),
    '</testsuite>',
  ];
}

function caseLine({ className, name, problem, output }: JunitCase): string {
  const head = `<testcase classname="${markup(className)}" name="${markup(name)}" time="0">`;
  const text = output === undefined ? '' : `<system-out>${markup(output)}</system-out>`;
  return `${head}${problem === undefined ? '' : problemText(problem)}${text}</testcase>`;
}

function problemText({ tag, message, type, details }: JunitProblem): string {
  const start = `<${tag} message="${markup(message)}"${type === undefined ? '' : ` type="${markup(type)}"`}`;
  return details === undefined ? `${start}/>` : `${start}>${markup(details)}</${tag}>`;
}

/** The schema of the xUnit plugin of Jenkins (junit-10.xsd) has no `skipped` of all suites together. */
function countsOf(cases: readonly JunitCase[]): string {
  return `tests="${String(cases.length)}" failures="${count(cases, 'failure')}" errors="${count(cases, 'error')}"`;
}

function count(cases: readonly JunitCase[], tag: JunitProblem['tag']): string {
  return String(cases.filter(({ problem }) => problem?.tag === tag).length);
}
