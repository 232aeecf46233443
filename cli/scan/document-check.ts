import { controlsOf } from '../../posture/benchmark/benchmark.ts';
import type { Check } from '../../posture/check/check.ts';
import type { ControlReference } from '../../posture/finding.ts';
import type { Severity } from '../../posture/verdict.ts';

/** A check as documents have it. */
export interface DocumentCheck {
  readonly id: string;
  readonly title: string;
  readonly severity: Severity;
  readonly judges: Check['judges'];
  /** Facts that it reads besides what it judges. */
  readonly needs: readonly string[];
  readonly rationale: string;
  readonly remediation: string;
  readonly references: readonly string[];
  readonly controls: readonly ControlReference[];
}

/** `check` without its function. */
export function documentCheck(check: Check): DocumentCheck {
  const { id, title, severity, judges, needs, rationale, remediation, references } = check;
  return { id, title, severity, judges, needs, rationale, remediation, references, controls: controlsOf(id) };
}
