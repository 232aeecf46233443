import { digestOfTag, judgeBySnapshot } from '../decide-from-snapshot.ts';
import type { SnapshotJudge } from '../decide-from-snapshot.ts';
import { decideBy, referenceOf } from '../decide.ts';
import type { Decision, ImageSubject } from '../decide.ts';
import { modeOf } from '../image-policy.ts';
import type { ImagePolicy } from '../image-policy.ts';
import { needsImage } from '../image-verdict.ts';
import { matchingPolicies } from '../policy-selection.ts';
import type { PolicyMatch } from '../policy-selection.ts';
import { formatReference } from '../reference.ts';
import { unknown } from '../rule/judging.ts';
import type { Mode } from '../rule/judging.ts';
import { RULE_SCHEMAS } from '../rule/rules.ts';
import type { Rule } from '../rule/rules.ts';
import type { PolicySnapshot, SnapshotImage } from '../snapshot.ts';
import { explainReason, resultOf } from './explanation.ts';
import type { ExplainedPolicy, ExplainedReason, ExplainedRule, Explanation } from './explanation.ts';

/** What is explained by. */
export interface ExplainSources {
  readonly snapshot: PolicySnapshot;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/** How one image is decided, with the decision itself. */
export interface ExplainedImage extends Pick<Explanation, 'outcome' | 'policies' | 'rules' | 'notes'> {
  readonly decision: Omit<Decision, 'suppressed'>;
}

/**
 * Explains how an image is decided by a snapshot: the policies that match, and each rule of those that decide. A tag is
 * judged by the digest that the collector saw under it, where it knows one. Pure.
 */
export function explainImage(subject: ImageSubject, { snapshot, now }: ExplainSources): ExplainedImage {
  const image = subject.reference ?? '';
  const tag = subject.digest === undefined && image !== '' ? digestOfTag(image, snapshot) : undefined;
  const judge = judgeBySnapshot({ ...subject, digest: subject.digest ?? tag?.digest }, snapshot, now);
  const decision = decideBy(judge.subject, snapshot.policies, judge.rule);
  const matching = matchingPolicies(snapshot.policies, referenceOf(subject), subject.namespace);
  const deciding = matching.filter(({ decides }) => decides).map(({ policy }) => policy);
  const judged = snapshot.byDigest.get(judge.subject.digest ?? '') ?? [];
  const rules = deciding.flatMap((policy) =>
    policy.rules.map((rule, index) =>
      explainRule({ policy, rule, place: `spec.rules[${String(index)}]` }, { image, judge, judged }),
    ),
  );
  return {
    decision,
    outcome: decision.outcome,
    policies: matching.map((match) => explainMatch(match, { image, matching })),
    rules: [...matchRules(decision, image), ...rules],
    notes: tag === undefined ? [] : [tagNote(image, tag)],
  };
}

function explainMatch(
  { policy, patterns, decides }: PolicyMatch,
  { image, matching }: { readonly image: string; readonly matching: readonly PolicyMatch[] },
): ExplainedPolicy {
  const first = matching[0];
  const pattern = `${patterns.image} in ${patterns.namespace}`;
  const part = first?.patterns.image === patterns.image ? 'in its namespace ' : '';
  const why = decides
    ? matching.length === 1
      ? 'the only match'
      : 'the most specific match'
    : `${part}less specific than ${first?.policy.name ?? ''}`;
  return { kind: 'ImagePolicy', name: policy.name, mode: policy.mode, image, decides, why: `${pattern}: ${why}` };
}

/** What speaks against the image whatever the rules: no policy, a malformed reference. */
function matchRules({ reasons, warnings, observed }: Omit<Decision, 'suppressed'>, image: string): ExplainedRule[] {
  const byMode: readonly (readonly [Mode, Decision['reasons']])[] = [
    ['enforce', reasons],
    ['warn', warnings],
    ['observe', observed],
  ];
  return byMode.flatMap(([mode, all]) => {
    const byPolicy = Map.groupBy(
      all.filter(({ rule }) => rule === 'spec.match'),
      ({ policy }) => policy,
    );
    return [...byPolicy].map(([policy, found]) => ({
      policy,
      rule: 'spec.match',
      type: 'match',
      mode,
      image,
      result: resultOf(found),
      meaning: 'A policy applies to the image, and its reference is one of an image.',
      evidence: '',
      reasons: found.map((reason) => explainReason(reason)),
    }));
  });
}

interface RulePlace {
  readonly policy: ImagePolicy;
  readonly rule: Rule;
  readonly place: string;
}

interface RuleSources {
  readonly image: string;
  readonly judge: SnapshotJudge;
  readonly judged: readonly SnapshotImage[];
}

function explainRule({ policy, rule, place }: RulePlace, { image, judge, judged }: RuleSources): ExplainedRule {
  const mode = modeOf(policy, rule);
  const found = judge.rule(policy, rule, place);
  const omitted = needsImage(rule) ? judge.omittedOf(policy)[mode] : 0;
  const message = rule.message ?? undefined;
  const objections = found.length === 0 && omitted > 0 ? [leftOut(omitted)] : found.map(({ objection }) => objection);
  const reasons = objections.map((objection): ExplainedReason => {
    const reason = { ...objection, policy: policy.name, rule: place };
    return explainReason(message === undefined ? reason : { ...reason, message });
  });
  return {
    policy: policy.name,
    rule: place,
    type: rule.type,
    mode: found[0]?.mode ?? mode,
    image,
    result: resultOf(reasons),
    meaning: RULE_SCHEMAS[rule.type].shape.doc,
    evidence: reasons.length > 0 ? '' : evidenceOf(rule, { image, judge, judged }, { policy, place }),
    reasons,
  };
}

/** A snapshot holds the first reasons of a policy only: that a rule has none then means nothing. */
function leftOut(omitted: number) {
  return unknown({
    code: 'not-scanned',
    actual: `the snapshot leaves out ${String(omitted)} reasons of this policy, which can be of this rule`,
    expected: 'all reasons',
    action: 'Resolve the reasons of the other rules, or run plimsoll gate IMAGE.',
  });
}

/** What a rule that passes was judged by. */
function evidenceOf(rule: Rule, { judge, judged }: RuleSources, { policy, place }: Omit<RulePlace, 'rule'>): string {
  const reference = referenceOf(judge.subject);
  if (!needsImage(rule)) return reference.state === 'seen' ? formatReference(reference.value) : 'no reference';
  const ends = judged
    .flatMap(({ verdicts }) => verdicts)
    .filter((verdict) => verdict.policy === policy.name)
    .flatMap(({ validUntil }) => validUntil[place] ?? []);
  const times = judged.map(({ judgedAt }) => judgedAt);
  const at = times.length === 0 ? '' : `judged by the collector at ${isoTime(Math.min(...times))}`;
  return ends.length === 0 ? at : `${at}, holds until ${isoTime(Math.min(...ends))}`;
}

function tagNote(
  image: string,
  { digest, checkedAt }: { readonly digest: string; readonly checkedAt: number },
): string {
  return `${image} is judged as ${digest}, which the collector saw under the tag at ${isoTime(checkedAt)}. Only admission that pins tags does the same; elsewhere a tag is not known: name the image by its digest.`;
}

function isoTime(ms: number): string {
  return new Date(ms).toISOString();
}
