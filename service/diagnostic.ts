import { within } from './clock.ts';
import type { Clock } from './clock.ts';

/** ok: no problem. warning: it works, but needs attention. problem: it does not work. unknown: it could not be read. */
export type Outcome = 'ok' | 'warning' | 'problem' | 'unknown';

/** The result of a diagnostic. */
export interface DiagnosticResult {
  readonly outcome: Outcome;
  /** What was observed, for people. */
  readonly observed: string;
  /** What to do; empty: nothing. */
  readonly advice: string;
}

/** Examines one thing without changing it. `S`: what the diagnostic examines. */
export interface Diagnostic<S> {
  /** In kebab case: `data-directory`; its file has the same name. */
  readonly id: string;
  /** At most 20 characters. */
  readonly title: string;
  /** Writes nothing and starts no process. May reject: that is reported as `unknown`. */
  readonly run: (subject: S) => Promise<DiagnosticResult> | DiagnosticResult;
}

/** A result with the diagnostic that it came from. */
export interface DiagnosticReport extends DiagnosticResult, Pick<Diagnostic<unknown>, 'id' | 'title'> {}

/** Deadline of each diagnostic, in milliseconds. */
export const DIAGNOSTIC_DEADLINE_MS = 5_000;

/** No problem. */
export function ok(observed: string): DiagnosticResult {
  return { outcome: 'ok', observed, advice: '' };
}

/** It works, but needs attention. */
export function warning(observed: string, advice: string): DiagnosticResult {
  return { outcome: 'warning', observed, advice };
}

/** It does not work. */
export function problem(observed: string, advice: string): DiagnosticResult {
  return { outcome: 'problem', observed, advice };
}

/** It could not be read; `observed` gives the reason. */
export function unknown(observed: string, advice = ''): DiagnosticResult {
  return { outcome: 'unknown', observed, advice };
}

/** Runs all diagnostics concurrently, each within the deadline. Results come in the given order. */
export function runDiagnostics<S>(
  diagnostics: readonly Diagnostic<S>[],
  subject: S,
  clock: Clock,
): Promise<readonly DiagnosticReport[]> {
  return Promise.all(
    diagnostics.map(async ({ id, title, run }) => {
      const late = (): DiagnosticResult =>
        unknown(
          `no answer within ${String(DIAGNOSTIC_DEADLINE_MS / 1000)} s`,
          'check the disk or the service that was contacted: it does not respond',
        );
      const work = (async () => run(subject))().catch(failed);
      return { id, title, ...(await within(clock, DIAGNOSTIC_DEADLINE_MS, work, late)) };
    }),
  );
}

function failed(error: unknown): DiagnosticResult {
  return unknown(`the diagnostic failed: ${error instanceof Error ? error.message : String(error)}`);
}

/** The worst of several results; observations and advice of equally bad results are joined. */
export function worstResult(results: readonly [DiagnosticResult, ...DiagnosticResult[]]): DiagnosticResult {
  const outcome = SEVERITY.find((candidate) => results.some((one) => one.outcome === candidate)) ?? 'ok';
  const worst = results.filter((one) => one.outcome === outcome);
  const join = (texts: readonly string[]): string => [...new Set(texts.filter((text) => text !== ''))].join('; ');
  return {
    outcome,
    observed: join(worst.map(({ observed }) => observed)),
    advice: join(worst.map(({ advice }) => advice)),
  };
}

/** Worst first. */
const SEVERITY: readonly Outcome[] = Object.freeze(['problem', 'unknown', 'warning', 'ok']);
