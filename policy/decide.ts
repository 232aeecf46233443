import { absent, seen, unreadable } from '../posture/observed.ts';
import type { Observed } from '../posture/observed.ts';
import type { VulnerabilityMatch } from '../vulnerability/vulnerability.ts';
import type { ImageEvidence } from './evidence.ts';
import { modeOf } from './image-policy.ts';
import type { ImagePolicy } from './image-policy.ts';
import { selectPolicies } from './policy-selection.ts';
import { canonicalRegistry, parseReference } from './reference.ts';
import type { ImageReference } from './reference.ts';
import type { Objection, Reason } from './reason.ts';
import { unknown, violation } from './rule/judging.ts';
import type { Mode } from './rule/judging.ts';
import { judgeRule } from './rule/rules.ts';
import type { Rule } from './rule/rules.ts';
import { compareText } from '../posture/text-order.ts';

/** The image to decide on. */
export interface ImageSubject {
  /** As whoever wants to run it writes it; undefined where it has no name, as an SBOM. */
  readonly reference: string | undefined;
  /** Digest of the manifest that the evidence is about; undefined where it is not known. */
  readonly digest: string | undefined;
  /** Namespace that it is to run in; undefined outside a cluster. */
  readonly namespace: string | undefined;
}

/** May the image run? `couldNotTell`: nothing speaks against it, but evidence that a rule needs is missing. */
export type Outcome = 'allow' | 'deny' | 'couldNotTell';

/** The answer about one image, with everything that speaks against it. */
export interface Decision {
  readonly outcome: Outcome;
  /** Names of the policies that decided, sorted. */
  readonly policies: readonly string[];
  /** Why it is not allowed: violations and what could not be decided, of rules that are enforced. */
  readonly reasons: readonly Reason[];
  /** The same of rules in mode `warn`. */
  readonly warnings: readonly Reason[];
  /** The same of rules in mode `observe`. */
  readonly observed: readonly Reason[];
  /** Vulnerabilities that VEX statements or waivers suppress. */
  readonly suppressed: readonly VulnerabilityMatch[];
}

/**
 * Decides whether an image may run. Pure: CI, admission control, the Docker authorisation plugin and rollouts ask with
 * the evidence that they have; `now` is in milliseconds since the epoch. Nothing is allowed without a policy that
 * applies. The order of policies and rules does not matter, and less evidence never allows more.
 */
export function decide(
  subject: ImageSubject,
  evidence: ImageEvidence,
  policies: readonly ImagePolicy[],
  now: number,
): Decision {
  const reference = referenceOf(subject);
  const decision = decideBy(subject, policies, (policy, rule) => {
    const mode = modeOf(policy, rule);
    const objections = judgeRule(rule, { reference, evidence, now, accept: policy.accept });
    return objections.map((objection) => ({ objection, mode }));
  });
  const { vulnerabilities } = evidence;
  return {
    ...decision,
    suppressed: vulnerabilities.state === 'seen' ? suppressedOf(vulnerabilities.value.matches) : [],
  };
}

/** What one rule of a policy has against the image, each with what it leads to. `place`: `spec.rules[2]`. */
export type RuleJudge = (
  policy: ImagePolicy,
  rule: Rule,
  place: string,
) => readonly { readonly objection: Objection; readonly mode: Mode }[];

/** The decision where rules are judged by `judge`, whatever that knows. */
export function decideBy(
  subject: ImageSubject,
  policies: readonly ImagePolicy[],
  judge: RuleJudge,
): Omit<Decision, 'suppressed'> {
  const applying = applyingPolicies(subject, policies);
  const collected: Record<Mode, Reason[]> = { enforce: [], warn: [], observe: [] };
  const invalid = subjectObjections(subject, referenceOf(subject));
  if (applying.length === 0)
    collected.enforce.push(...[NO_POLICY, ...invalid].map((objection) => reasonOf(objection, '', 'spec.match')));
  for (const policy of applying) {
    collected[policy.mode].push(...invalid.map((objection) => reasonOf(objection, policy.name, 'spec.match')));
    for (const [mode, reasons] of Object.entries(reasonsOf(policy, judge))) collected[mode as Mode].push(...reasons);
  }
  const reasons = sorted(collected.enforce);
  return {
    outcome: outcomeOf(reasons),
    policies: applying.map(({ name }) => name),
    reasons,
    warnings: sorted(collected.warn),
    observed: sorted(collected.observe),
  };
}

/**
 * What the rules of one policy have against the image, by mode: violations first, worst first. What several rules say in
 * the same words is there for each of them; a decision says it once.
 */
export function reasonsOf(policy: ImagePolicy, judge: RuleJudge): Readonly<Record<Mode, readonly Reason[]>> {
  const collected: Record<Mode, Reason[]> = { enforce: [], warn: [], observe: [] };
  for (const [index, rule] of policy.rules.entries()) {
    const place = `spec.rules[${String(index)}]`;
    for (const { objection, mode } of judge(policy, rule, place))
      collected[mode].push(reasonOf(objection, policy.name, place, rule.message));
  }
  const { enforce, warn, observe } = collected;
  return { enforce: sortedByRule(enforce), warn: sortedByRule(warn), observe: sortedByRule(observe) };
}

/** The decision that two decisions on the same image make together: what one of them refuses is refused. */
export function mergeDecisions(one: Decision, other: Decision): Decision {
  const both = (part: 'reasons' | 'warnings' | 'observed'): readonly Reason[] => sorted([...one[part], ...other[part]]);
  const reasons = both('reasons');
  return {
    outcome: outcomeOf(reasons),
    policies: [...one.policies, ...other.policies].toSorted(),
    reasons,
    warnings: both('warnings'),
    observed: both('observed'),
    suppressed: one.suppressed,
  };
}

/** The outcome that reasons of enforced rules lead to. */
export function outcomeOf(reasons: readonly Reason[]): Outcome {
  if (reasons.some(({ kind }) => kind === 'violation')) return 'deny';
  return reasons.length > 0 ? 'couldNotTell' : 'allow';
}

/** The policies that decide on the subject; to find out what evidence they need. */
export function applyingPolicies(subject: ImageSubject, policies: readonly ImagePolicy[]): readonly ImagePolicy[] {
  return selectPolicies(policies, referenceOf(subject), subject.namespace);
}

/** The reference of the subject, completed, with its registry in the form in which registries are compared. */
export function referenceOf({ reference }: Pick<ImageSubject, 'reference'>): Observed<ImageReference> {
  if (reference === undefined) return absent('reference');
  const parsed = parseReference(reference);
  if (!parsed.ok) return unreadable('reference', parsed.reason);
  return seen({ ...parsed.value, registry: canonicalRegistry(parsed.value.registry) }, 'reference');
}

const NO_POLICY = unknown({
  code: 'no-policy',
  actual: 'no policy matches the image',
  expected: 'a policy that says whether the image may run',
  action: 'Add a policy for it. One without spec.match applies to every image that no other policy matches.',
});

/** What speaks against the subject itself, whatever the rules. */
function subjectObjections(subject: ImageSubject, reference: Observed<ImageReference>): readonly Objection[] {
  if (reference.state === 'unreadable')
    return [
      violation({
        code: 'reference-invalid',
        actual: reference.reason,
        expected: 'a reference of an image',
        action: 'Correct the reference.',
      }),
    ];
  const wanted = reference.state === 'seen' ? reference.value.digest : undefined;
  if (wanted === undefined || wanted === subject.digest) return [];
  const shared = { code: 'digest-mismatch', expected: wanted, action: 'Examine the image by this digest.' } as const;
  return [
    subject.digest === undefined
      ? unknown({ ...shared, actual: 'the digest of the image that was examined is not known' })
      : violation({ ...shared, severity: 'critical', actual: `the image that was examined is ${subject.digest}` }),
  ];
}

function reasonOf(objection: Objection, policy: string, rule: string, message?: string | null): Reason {
  return { ...objection, policy, rule, ...(message === undefined || message === null ? {} : { message }) };
}

function suppressedOf(matches: readonly VulnerabilityMatch[]): readonly VulnerabilityMatch[] {
  return matches.filter(({ suppressed }) => suppressed !== undefined);
}

const SEVERITY_ORDER = ['critical', 'high', 'medium', 'low', 'negligible', 'unknown'];

/** Violations first, worst first; what several rules say in the same words is said once. */
function sorted(reasons: readonly Reason[]): readonly Reason[] {
  const keyed = sortedWithKeys(reasons);
  return keyed.filter(({ key }, index) => key !== keyed[index - 1]?.key).map(({ reason }) => reason);
}

/** The same, and each rule keeps what it says. */
function sortedByRule(reasons: readonly Reason[]): readonly Reason[] {
  const keyed = sortedWithKeys(reasons);
  return keyed
    .filter(({ key, place }, index) => key !== keyed[index - 1]?.key || place !== keyed[index - 1]?.place)
    .map(({ reason }) => reason);
}

function sortedWithKeys(reasons: readonly Reason[]) {
  const keyed = reasons.map((reason) => {
    const { rule, message, ...said } = reason;
    const rank = [reason.kind === 'violation' ? 0 : 1, SEVERITY_ORDER.indexOf(reason.severity)];
    const key = JSON.stringify([...rank, reason.code, reason.about, reason.actual, said]);
    return { reason, key, place: `${rule} ${message ?? ''}` };
  });
  return keyed.sort((a, b) => compareText(a.key, b.key) || compareText(a.place, b.place));
}
