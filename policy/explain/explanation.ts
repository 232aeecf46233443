import type { Outcome } from '../decide.ts';
import type { Mode } from '../rule/judging.ts';
import type { Objection, Reason, ReasonCode } from '../reason.ts';

/** How the policies decide on an image, a pod, or an object that creates pods. */
export interface Explanation {
  /** `Image`, `Container` for a container of Docker, or the kind of the object. */
  readonly kind: string;
  /** Reference of the image, or name of the object; as written. */
  readonly name: string;
  /** Undefined: none, as for an image outside a cluster. */
  readonly namespace: string | undefined;
  /** Whether it may run; of an object that creates pods, whether its pods may. */
  readonly outcome: Outcome;
  /** Whether the object itself is created: violations of templates are milder. */
  readonly created: Outcome;
  /** Every policy that matches: those that decide first. */
  readonly policies: readonly ExplainedPolicy[];
  /** Each rule of the policies that decide. */
  readonly rules: readonly ExplainedRule[];
  /** What the answer depends on besides, one sentence each. */
  readonly notes: readonly string[];
}

/** A policy that matches. */
export interface ExplainedPolicy {
  readonly kind: 'ContainerPolicy' | 'ImagePolicy' | 'PodPolicy';
  readonly name: string;
  readonly mode: Mode;
  /** The image that it matches; empty for a policy of pods. */
  readonly image: string;
  readonly decides: boolean;
  /** The patterns that match, and why it decides or does not. */
  readonly why: string;
}

/** What a rule says. `unknown`: it could not be judged. */
export type RuleResult = 'pass' | 'violation' | 'unknown';

/** One rule. */
export interface ExplainedRule {
  /** Empty: no policy applies. */
  readonly policy: string;
  /** `spec.rules[2]`, `spec.podSecurity`; `spec.match` where no rule is concerned. */
  readonly rule: string;
  /** Type of the rule, or id of the control. */
  readonly type: string;
  readonly mode: Mode;
  /** The image that it was judged for; empty for a rule about pods. */
  readonly image: string;
  readonly result: RuleResult;
  /** What it demands. */
  readonly meaning: string;
  /** What it was judged by, where it passes. */
  readonly evidence: string;
  readonly reasons: readonly ExplainedReason[];
}

/** Why a rule does not pass. */
export interface ExplainedReason extends Pick<Objection, 'kind' | 'severity' | 'actual' | 'expected' | 'action'> {
  readonly code: ReasonCode;
  /** The field of the object; empty for an image. */
  readonly path: string;
  /** What the author of the rule wants people to read. */
  readonly message?: string;
}

/** A reason as an explanation shows it. */
export function explainReason({ code, kind, severity, actual, expected, action, message }: Reason, path = '') {
  return { code, kind, severity, actual, expected, action, path, ...(message === undefined ? {} : { message }) };
}

/** The worst of some reasons. */
export function resultOf(reasons: readonly Pick<Objection, 'kind'>[]): RuleResult {
  if (reasons.some(({ kind }) => kind === 'violation')) return 'violation';
  return reasons.length > 0 ? 'unknown' : 'pass';
}
