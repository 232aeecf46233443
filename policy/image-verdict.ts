import { reasonsOf } from './decide.ts';
import type { Suppression } from '../vulnerability/vulnerability.ts';
import type { ImageEvidence } from './evidence.ts';
import { modeOf } from './image-policy.ts';
import type { ImagePolicy } from './image-policy.ts';
import type { Reason } from './reason.ts';
import { absent } from '../posture/observed.ts';
import { MODES } from './rule/judging.ts';
import type { Mode } from './rule/judging.ts';
import { judgeRule } from './rule/rules.ts';
import type { Rule } from './rule/rules.ts';
import { suppressedObjections } from './rule/vulnerability.ts';
import { ruleValidUntil } from './verdict-expiry.ts';

/** What the rules of one policy that need evidence of the image have against it. */
export interface ImageVerdict {
  readonly policy: string;
  /** At most {@link MAX_REASONS} of each mode, one of each rule before several: violations first, worst first. */
  readonly reasons: readonly Reason[];
  /** How many more there are of each mode. */
  readonly omitted: Readonly<Record<Mode, number>>;
  /** What its rules would object to if VEX statements or waivers did not suppress it; at most {@link MAX_REASONS}. */
  readonly suppressed: readonly VerdictSuppression[];
  readonly omittedSuppressed: number;
  /** Until when the answer of a rule holds, by the place of the rule; a rule that is not named holds without an end. */
  readonly validUntil: Readonly<Record<string, number>>;
}

/** A vulnerability that a policy leaves out, and why. Texts can hold names from an image: escape them. */
export interface VerdictSuppression extends Pick<Suppression, 'by' | 'reason' | 'source'> {
  readonly vulnerability: string;
  /** Name and version. */
  readonly package: string;
  /** Milliseconds since the epoch; null: it has no end. */
  readonly expiresAt: number | null;
}

/** Times in milliseconds since the epoch; see {@link judgeImage}. */
export interface JudgeTimes {
  readonly now: number;
  readonly databaseValidUntil?: number;
  readonly waiversValidUntil?: number;
}

/** Reasons of one mode that a verdict keeps. */
export const MAX_REASONS = 10;

/** Whether the rule needs the image itself: all others are judged by the reference alone. */
export function needsImage({ type }: Pick<Rule, 'type'>): boolean {
  return type !== 'reference' && type !== 'registry';
}

/**
 * The verdict of a policy on an image, whether or not the policy applies to it. `databaseValidUntil`: when the
 * vulnerability database becomes too old to be used; `waiversValidUntil`: when the first waiver that was applied expires.
 */
export function judgeImage(
  policy: ImagePolicy,
  evidence: ImageEvidence,
  { now, databaseValidUntil = Infinity, waiversValidUntil = Infinity }: JudgeTimes,
): ImageVerdict {
  const validUntil: Record<string, number> = {};
  const byMode = reasonsOf(policy, (_policy, rule, place) => {
    if (!needsImage(rule)) return [];
    const until = Math.min(
      ruleValidUntil(rule, evidence, now) ?? Infinity,
      rule.type === 'vulnerability' || rule.type === 'database' ? databaseValidUntil : Infinity,
      rule.type === 'vulnerability' ? waiversValidUntil : Infinity,
    );
    if (until !== Infinity) validUntil[place] = until;
    const mode = modeOf(policy, rule);
    const input = { reference: absent('not asked'), evidence, now, accept: policy.accept };
    return judgeRule(rule, input).map((objection) => ({ objection, mode }));
  });
  const suppressed = suppressionsOf(policy, evidence, now);
  const omittedOf = (mode: Mode): number => Math.max(0, byMode[mode].length - MAX_REASONS);
  return {
    policy: policy.name,
    reasons: MODES.flatMap((mode) => selectReasons(byMode[mode])),
    omitted: { enforce: omittedOf('enforce'), warn: omittedOf('warn'), observe: omittedOf('observe') },
    suppressed: suppressed.slice(0, MAX_REASONS),
    omittedSuppressed: Math.max(0, suppressed.length - MAX_REASONS),
    validUntil,
  };
}

/** The first reason of each rule, then others; in the order in which they are given. */
function selectReasons(reasons: readonly Reason[]): readonly Reason[] {
  const rules = new Set<string>();
  const firsts = reasons.filter(({ rule }) => !rules.has(rule) && rules.add(rule));
  const others = reasons.filter((reason) => !firsts.includes(reason));
  const selected = new Set([...firsts, ...others].slice(0, MAX_REASONS));
  return reasons.filter((reason) => selected.has(reason));
}

/** Each suppressed vulnerability and package once, the riskiest first. */
function suppressionsOf(policy: ImagePolicy, evidence: ImageEvidence, now: number): readonly VerdictSuppression[] {
  const matches = policy.rules.flatMap((rule) =>
    rule.type === 'vulnerability' ? suppressedObjections(rule, evidence, now) : [],
  );
  return [...new Set(matches)]
    .sort((one, other) => other.vulnerability.risk - one.vulnerability.risk)
    .flatMap(({ package: found, vulnerability, suppressed }) =>
      suppressed === undefined
        ? []
        : [
            {
              vulnerability: vulnerability.id,
              package: `${found.name} ${found.version}`,
              by: suppressed.by,
              reason: suppressed.reason,
              source: suppressed.source,
              expiresAt: suppressed.expiresAt ?? null,
            },
          ],
    );
}
