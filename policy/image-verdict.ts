import { reasonsOf } from './decide.ts';
import type { Suppression } from '../vulnerability/vulnerability.ts';
import type { ImageEvidence } from './evidence.ts';
import { modeOf } from './image-policy.ts';
import type { ImagePolicy } from './image-policy.ts';
import type { Objection, Reason, ReasonCode } from './reason.ts';
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

/**
 * What one source says about an image, where several say different things. `whole`: all of the image, so that it
 * contradicts what others found beyond it; `part`: what a source can see of it; `addition`: what somebody found beyond
 * the others. Only violations of an addition count, since it does not claim to be complete.
 */
export interface Account {
  readonly evidence: ImageEvidence;
  readonly extent: 'whole' | 'part' | 'addition';
  /** Who says it, for people: `web-1 (0b5c…), from the layers`. */
  readonly origin: string;
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
export function judgeImage(policy: ImagePolicy, evidence: ImageEvidence, times: JudgeTimes): ImageVerdict {
  return judgeAccounts(policy, [{ evidence, extent: 'whole', origin: '' }], times);
}

/**
 * The same from several accounts. Each is judged as if it were the only one, and the image is accepted only where all
 * are: a further account never takes an objection away. It can make a violation one that is not known, where it claims to
 * be whole and has no such violation.
 */
export function judgeAccounts(
  policy: ImagePolicy,
  accounts: readonly Account[],
  { now, databaseValidUntil = Infinity, waiversValidUntil = Infinity }: JudgeTimes,
): ImageVerdict {
  const validUntil: Record<string, number> = {};
  const byMode = reasonsOf(policy, (_policy, rule, place) => {
    if (!needsImage(rule)) return [];
    const until = Math.min(
      ...accounts.map(({ evidence }) => ruleValidUntil(rule, evidence, now) ?? Infinity),
      rule.type === 'vulnerability' || rule.type === 'database' ? databaseValidUntil : Infinity,
      rule.type === 'vulnerability' ? waiversValidUntil : Infinity,
    );
    if (until !== Infinity) validUntil[place] = until;
    const mode = modeOf(policy, rule);
    const answers = accounts.map(({ evidence }) => {
      const input = { reference: absent('not asked'), evidence, now, accept: policy.accept };
      return judgeRule(rule, input);
    });
    return joinObjections(accounts, answers).map((objection) => ({ objection, mode }));
  });
  const suppressed = distinctSuppressions(
    accounts.flatMap(({ evidence }) => suppressionsOf(policy, evidence, now)),
    accounts.length,
  );
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

/** The code that a violation gets where another account contradicts it. */
const CONTESTED: Readonly<Partial<Record<ReasonCode, ReasonCode>>> = Object.freeze({
  'distribution-end-of-life': 'distribution-unknown',
  'package-forbidden': 'package-unknown',
  'setuid-file': 'setuid-unknown',
  vulnerability: 'vulnerability-unknown',
});

/** The objections of one rule against an image, joined from those against each account of it. */
function joinObjections(
  accounts: readonly Account[],
  answers: readonly (readonly Objection[])[],
): readonly Objection[] {
  if (accounts.length === 1) return answers[0] ?? [];
  const violations = answers.map((objections) => new Set(objections.filter(isViolation).map(saying)));
  return accounts.flatMap(({ extent, origin }, own) => {
    const objections = answers[own] ?? [];
    return objections.flatMap((objection) => {
      if (objection.kind === 'unknown') return extent === 'addition' ? [] : [objection];
      const code = CONTESTED[objection.code];
      const other = accounts.find(
        (one, index) => one.extent === 'whole' && index !== own && violations[index]?.has(saying(objection)) !== true,
      );
      if (code === undefined || other === undefined) return [objection];
      const actual = `${objection.actual}: found by ${origin}, but not by ${other.origin}`;
      return [{ ...objection, kind: 'unknown' as const, code, actual, action: SETTLE }];
    });
  });
}

const SETTLE =
  'Let the collector scan the image, whose answer counts alone, and find out which node is wrong: it may be in the hands of an attacker.';

function isViolation({ kind }: Objection): boolean {
  return kind === 'violation';
}

function saying({ code, about, actual }: Objection): string {
  return JSON.stringify([code, about, actual]);
}

/** Accounts mostly leave out the same. */
function distinctSuppressions(all: readonly VerdictSuppression[], accounts: number): readonly VerdictSuppression[] {
  return accounts === 1 ? all : [...new Map(all.map((one) => [JSON.stringify(one), one])).values()];
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
