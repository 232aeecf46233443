import type { ImageRulesCheck } from '../../posture/check/check.ts';
import { packages } from '../../posture/check/image/packages.ts';
import { signature } from '../../posture/check/image/signature.ts';
import { vulnerabilities } from '../../posture/check/image/vulnerabilities.ts';
import { ruleSource } from '../../posture/check/image-rules.ts';
import type { ImageRule, ImageRules } from '../../posture/fact/image-rules.ts';
import type { Finding } from '../../posture/finding.ts';
import { judgeImageRules } from '../../posture/judge.ts';
import { judgeBySnapshot } from '../../policy/decide-from-snapshot.ts';
import { applyingPolicies, referenceOf } from '../../policy/decide.ts';
import { modeOf } from '../../policy/image-policy.ts';
import type { ImagePolicy } from '../../policy/image-policy.ts';
import { MAX_REASONS } from '../../policy/image-verdict.ts';
import { REASON_CODES } from '../../policy/reason.ts';
import type { Objection } from '../../policy/reason.ts';
import { indexImages } from '../../policy/snapshot.ts';
import type { SnapshotImage } from '../../policy/snapshot.ts';
import type { Clock } from '../../service/clock.ts';
import type { NodeContainer, StoredFinding } from '../store/store.ts';
import type { ImageJudge } from './image-judge.ts';
import type { ImageJudgement } from './image-findings.ts';
import type { RegistrySource } from './registry-facts.ts';
import { subjectOf } from './simulation.ts';

/** What the findings are made of. */
export interface PolicyJudgementSources extends Pick<ImageJudge, 'verdictsOf' | 'judgedBy' | 'subscribeToVerdicts'> {
  /** The policies in use; undefined: none could be loaded. */
  readonly loaded: () => readonly ImagePolicy[] | undefined;
  readonly registries: Pick<RegistrySource, 'factsOf'>;
  readonly clock: Clock;
}

const POLICY_CHECKS: readonly ImageRulesCheck[] = [vulnerabilities, packages, signature];

/** References of one image on one node. */
const MAX_REFERENCES = 16;
/** Combinations of references of one image whose answers are kept. */
const MAX_KEPT = 1000;
/** After a start, findings of before count until their images are judged by what was known before, but no longer. */
const START_MS = 10 * 60_000;

const NOT_LOADED = 'the image policies could not be loaded: see plimsoll status';

/** What the policies say about an image under the references of a node, for one check. */
interface Answer {
  readonly finding: Finding;
  readonly rules: readonly ImageRule[];
  readonly isIncomplete: boolean;
}

/** Answers of a verdict, by the references of the node. */
interface KeptAnswers {
  readonly policies: readonly ImagePolicy[];
  readonly untilMs: number;
  readonly byReferences: Map<string, readonly Answer[]>;
}

/**
 * Judges `image.vulnerabilities`, `image.packages` and `image.signature` for each image that a node runs, by the verdicts
 * of the image policies that decide on it, whatever their mode. What is not known resolves nothing. `undefined`: the
 * collector has no image policies.
 */
export function createPolicyJudgement(sources: PolicyJudgementSources | undefined): ImageJudgement {
  const checks = POLICY_CHECKS.map(({ id }) => id);
  if (sources === undefined) return { checks, subscribe: () => () => undefined, judge: () => [] };
  const startedMs = sources.clock.monotonic();
  // Most nodes run an image under the same references, so it is judged once for all of them.
  const kept = new WeakMap<readonly SnapshotImage[], KeptAnswers>();
  const answersOf = (
    imageId: string,
    references: readonly Reference[],
    policies: readonly ImagePolicy[],
  ): readonly Answer[] => {
    const verdicts = sources.verdictsOf(imageId);
    const now = sources.clock.now();
    let answers = kept.get(verdicts);
    if (answers === undefined || answers.policies !== policies || now > answers.untilMs) {
      answers = { policies, untilMs: firstEndMs(verdicts, now), byReferences: new Map() };
      kept.set(verdicts, answers);
    }
    const key = JSON.stringify([imageId, references]);
    const known = answers.byReferences.get(key);
    if (known !== undefined) return known;
    const judged = judgePolicies(imageId, references, { ...sources, verdicts, policies, now });
    if (answers.byReferences.size >= MAX_KEPT) answers.byReferences.clear();
    answers.byReferences.set(key, judged);
    return judged;
  };
  return {
    checks,
    subscribe: sources.subscribeToVerdicts,
    judge: (imageId, containers, before) => {
      const references = referencesOf(containers);
      const judgedBy = sources.judgedBy();
      const policies = judgedBy ?? sources.loaded();
      if (policies === undefined) return POLICY_CHECKS.map((check) => unloaded(check, imageId, references, before));
      const isStarting = sources.clock.monotonic() - startedMs < START_MS;
      if (judgedBy === undefined && isStarting) return checks.flatMap((check) => before.get(check) ?? []);
      return answersOf(imageId, references, policies).map((answer) => {
        const stored = before.get(answer.finding.check);
        return stored !== undefined && isKept(answer, stored, isStarting) ? stored : answer.finding;
      });
    },
  };
}

/** What a container names its image, and where it runs. */
type Reference = Pick<NodeContainer, 'image' | 'namespace'>;

/** The distinct references of containers, in an order that does not depend on that of the containers. */
function referencesOf(containers: readonly NodeContainer[]): readonly Reference[] {
  const distinct = new Map(
    containers.map(({ image, namespace }) => [
      JSON.stringify([image, namespace]),
      { image, ...(namespace !== undefined && { namespace }) },
    ]),
  );
  return [...distinct.keys()].sort().flatMap((key) => distinct.get(key) ?? []);
}

function unloaded(
  check: ImageRulesCheck,
  imageId: string,
  references: readonly Reference[],
  before: ReadonlyMap<string, StoredFinding>,
): Finding {
  const stored = before.get(check.id);
  if (stored?.verdict === 'fail') return stored;
  return judgeImageRules(check, { imageId, name: references[0]?.image ?? '', rules: [], incomplete: NOT_LOADED });
}

/**
 * Whether the finding of before counts instead of one that is `unknown`. What failed fails until it is known that its rule
 * accepts the image; what passed passes while a start goes on: databases are verified and registries asked again.
 */
function isKept({ finding, rules, isIncomplete }: Answer, stored: StoredFinding, isStarting: boolean): boolean {
  if (finding.verdict !== 'unknown') return false;
  if (stored.verdict === 'pass') return isStarting;
  const failed = new Set(stored.evidence.map(({ source }) => source));
  const isOpen = isIncomplete || rules.some((rule) => rule.state === 'unknown' && failed.has(ruleSource(rule)));
  return stored.verdict === 'fail' && isOpen;
}

/** What an image is judged by. */
interface Judging extends Pick<PolicyJudgementSources, 'registries'> {
  readonly verdicts: readonly SnapshotImage[];
  readonly policies: readonly ImagePolicy[];
  readonly now: number;
}

/** One answer of each check that a policy has a rule for. */
function judgePolicies(imageId: string, references: readonly Reference[], judging: Judging): readonly Answer[] {
  const name = references[0]?.image ?? '';
  return POLICY_CHECKS.flatMap((check) => {
    const all = references
      .slice(0, MAX_REFERENCES)
      .map((reference) => judgeReference(imageId, reference, { ...judging, check }));
    const found = new Map(all.flatMap(({ rules }) => rules).map((rule) => [JSON.stringify(rule), rule]));
    const rules = [...found.values()];
    const incomplete = [
      ...all.flatMap((one) => one.incomplete ?? []),
      ...(references.length > MAX_REFERENCES ? [`it runs under more than ${String(MAX_REFERENCES)} references`] : []),
    ][0];
    if (rules.length === 0 && (incomplete === undefined || !hasRule(judging.policies, check))) return [];
    const image = { imageId, name, rules, ...(incomplete !== undefined && { incomplete }) };
    return [{ finding: judgeImageRules(check, image), rules, isIncomplete: incomplete !== undefined }];
  });
}

function hasRule(policies: readonly ImagePolicy[], { ruleTypes: [type] }: ImageRulesCheck): boolean {
  return policies.some(({ rules }) => rules.some((rule) => rule.type === type));
}

/** What the policies that decide on the image under one reference say. */
function judgeReference(
  imageId: string,
  { image, namespace }: Reference,
  { verdicts, policies, registries, now, check }: Judging & { readonly check: ImageRulesCheck },
): Pick<ImageRules, 'rules' | 'incomplete'> {
  const byDigest = indexImages(verdicts);
  const named = subjectOf(imageId, image, registries);
  // The node says which image runs. What its reference names counts only if it is known to name that image.
  const digest = byDigest.has(named.digest) ? named.digest : imageId;
  const subject = { ...named, digest, namespace };
  const applying = applyingPolicies(subject, policies);
  if (!hasRule(applying, check)) {
    const isNamed = referenceOf(subject).state === 'seen';
    if (isNamed || !hasRule(policies, check)) return { rules: [] };
    return { rules: [], incomplete: 'its container was not started by a reference, so its policy is not known' };
  }
  const judge = judgeBySnapshot(subject, { issuedAt: now, byDigest }, now);
  const rules = applying.flatMap((policy) =>
    policy.rules.flatMap((rule, index) => {
      if (!check.ruleTypes.includes(rule.type)) return [];
      const place = `spec.rules[${String(index)}]`;
      const objections = judge.rule(policy, rule, place).map(({ objection }) => objection);
      const isLeftOut =
        judge.omittedOf(policy)[modeOf(policy, rule)] > 0 &&
        judge
          .verdictsOf(policy)
          .some((verdict) => new Set(verdict?.reasons.map((reason) => reason.rule)).size >= MAX_REASONS);
      return ruleResults({ policy: policy.name, rule: place }, objections, isLeftOut);
    }),
  );
  return { rules };
}

function ruleResults(
  place: Pick<ImageRule, 'policy' | 'rule'>,
  objections: readonly Objection[],
  isLeftOut: boolean,
): readonly ImageRule[] {
  if (objections.length > 0) return objections.map((objection) => ({ ...place, ...textsOf(objection) }));
  // A verdict keeps few reasons: of many rules that refuse the image, some may have none in it.
  const text = 'too many rules refuse the image to say what this one does';
  return [
    isLeftOut
      ? { ...place, state: 'unknown', text, expected: 'a rule that accepts the image' }
      : { ...place, state: 'accepted', text: '', expected: '' },
  ];
}

function textsOf({ kind, code, actual, expected }: Objection): Pick<ImageRule, 'state' | 'text' | 'expected'> {
  // The age of a scan is another one each time: a finding that changes all the time is no news.
  const text = code === 'scan-too-old' ? REASON_CODES[code] : actual;
  return { state: kind === 'violation' ? 'refused' : 'unknown', text, expected };
}

/** When the first answer that holds now does not hold any more. */
function firstEndMs(verdicts: readonly SnapshotImage[], now: number): number {
  let first = Infinity;
  for (const { verdicts: all } of verdicts)
    for (const { validUntil } of all)
      for (const end of Object.values(validUntil)) if (end >= now) first = Math.min(first, end);
  return first;
}
