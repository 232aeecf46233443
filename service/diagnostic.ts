import { within } from './clock.ts';
import type { Clock } from './clock.ts';

/** ok: as it should be. warning: works, but look at it. problem: does not work. unknown: could not be observed. */
export type Outcome = 'ok' | 'warning' | 'problem' | 'unknown';

/** What came of an examination. */
export interface DiagnosticResult {
  readonly outcome: Outcome;
  /** What was observed, for people. */
  readonly observed: string;
  /** What to do; empty: nothing. */
  readonly advice: string;
}

/** The groups of diagnostics, in display order. */
export const DIAGNOSTIC_GROUPS = Object.freeze([
  'program',
  'settings',
  'data directory',
  'certificates',
  'operator token',
  'ports',
  'collector',
  'docker',
  'node',
  'time',
  'sinks',
] as const);

/** One of {@link DIAGNOSTIC_GROUPS}. */
export type DiagnosticGroup = (typeof DIAGNOSTIC_GROUPS)[number];

/** One thing that can be looked at without changing it. `S`: what is looked at. */
export interface Diagnostic<S> {
  /** `data.directory` */
  readonly id: string;
  readonly group: DiagnosticGroup;
  /** At most 20 characters. */
  readonly title: string;
  /** Writes nothing and starts no process. May reject: that is reported as `unknown`. */
  readonly run: (subject: S) => Promise<DiagnosticResult> | DiagnosticResult;
}

/** What came of one, with what it was. */
export interface DiagnosticReport extends DiagnosticResult, Pick<Diagnostic<unknown>, 'id' | 'group' | 'title'> {}

/** How long one may take, in milliseconds. */
export const DIAGNOSTIC_DEADLINE_MS = 2_000;

/** As it should be. */
export function ok(observed: string): DiagnosticResult {
  return { outcome: 'ok', observed, advice: '' };
}

/** Works, but not for ever or not as it should. */
export function warning(observed: string, advice: string): DiagnosticResult {
  return { outcome: 'warning', observed, advice };
}

/** Does not work. */
export function problem(observed: string, advice: string): DiagnosticResult {
  return { outcome: 'problem', observed, advice };
}

/** Could not be observed: `observed` says why. */
export function unknown(observed: string, advice = ''): DiagnosticResult {
  return { outcome: 'unknown', observed, advice };
}

/** Carries out all of them at the same time, each within the deadline. The answers come in the given order. */
export function runDiagnostics<S>(
  examinations: readonly Diagnostic<S>[],
  subject: S,
  clock: Clock,
): Promise<readonly DiagnosticReport[]> {
  return Promise.all(
    examinations.map(async ({ id, group, title, run }) => {
      const late = (): DiagnosticResult =>
        unknown(
          `no answer within ${String(DIAGNOSTIC_DEADLINE_MS / 1000)} s`,
          'check the disk or the service that was contacted: it does not respond',
        );
      const work = (async () => run(subject))().catch(failed);
      return { id, group, title, ...(await within(clock, DIAGNOSTIC_DEADLINE_MS, work, late)) };
    }),
  );
}

function failed(error: unknown): DiagnosticResult {
  return unknown(`the diagnostic failed: ${error instanceof Error ? error.message : String(error)}`);
}

/** The worst of several, with what was observed and advised in all that are as bad; at least one is needed. */
export function worstResult(examined: readonly [DiagnosticResult, ...DiagnosticResult[]]): DiagnosticResult {
  const outcome = SEVERITY.find((candidate) => examined.some((one) => one.outcome === candidate)) ?? 'ok';
  const worst = examined.filter((one) => one.outcome === outcome);
  const join = (texts: readonly string[]): string => [...new Set(texts.filter((text) => text !== ''))].join('; ');
  return {
    outcome,
    observed: join(worst.map(({ observed }) => observed)),
    advice: join(worst.map(({ advice }) => advice)),
  };
}

/** Worst first. */
const SEVERITY: readonly Outcome[] = Object.freeze(['problem', 'unknown', 'warning', 'ok']);
