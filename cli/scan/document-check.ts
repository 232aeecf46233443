import type { Check, JudgedBy, SeverityLevel } from '../../posture/check/check.ts';
import type { ParameterValue } from '../../posture/check/parameter.ts';
import type { ControlReference } from '../../posture/finding.ts';
import type { Severity } from '../../posture/verdict.ts';

/** A check as documents have it. */
export interface DocumentCheck {
  readonly id: string;
  /** What holds where it passes. */
  readonly title: string;
  /** What is wrong where it fails. */
  readonly failTitle: string;
  readonly judgedBy: JudgedBy;
  /** The worst that a failure can have. */
  readonly severity: Severity;
  /** Severities of failures, worst first, and when they apply; empty: every failure has `severity`. */
  readonly severityLevels: readonly SeverityLevel[];
  readonly judges: Check['judges'];
  /** Facts that it reads besides what it judges. */
  readonly needs: readonly string[];
  readonly rationale: string;
  readonly remediation: string;
  readonly references: readonly string[];
  readonly controls: readonly ControlReference[];
  /** What a profile can set. */
  readonly parameters: readonly DocumentParameter[];
}

/** A parameter of a check. */
export interface DocumentParameter {
  readonly name: string;
  readonly doc: string;
  readonly default: ParameterValue;
  /** What the check judges with: the default, or what the profile sets. */
  readonly value: ParameterValue;
}

/** `check` without its function. */
export function documentCheck(check: Check, controlsOf: (check: string) => readonly ControlReference[]): DocumentCheck {
  const {
    id,
    title,
    failTitle,
    judgedBy,
    severity,
    severityLevels = [],
    judges,
    needs,
    rationale,
    remediation,
    references,
  } = check;
  const texts = { rationale, remediation, references };
  return {
    id,
    title,
    failTitle,
    judgedBy,
    severity,
    severityLevels,
    judges,
    needs,
    ...texts,
    controls: controlsOf(id),
    parameters: parametersOf(check),
  };
}

function parametersOf({ parameters = {}, parameterValues = {} }: Check): readonly DocumentParameter[] {
  return Object.entries(parameters).map(([name, { doc, default: preset }]) => ({
    name,
    doc,
    default: preset,
    value: parameterValues[name] ?? preset,
  }));
}
