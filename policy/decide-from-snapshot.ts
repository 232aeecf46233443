import { absent } from '../posture/observed.ts';
import { decideBy, reasonsOf, referenceOf } from './decide.ts';
import type { Decision, ImageSubject, RuleJudge } from './decide.ts';
import type { ImageEvidence } from './evidence.ts';
import { modeOf } from './image-policy.ts';
import type { ImagePolicy } from './image-policy.ts';
import { needsImage } from './image-verdict.ts';
import { formatReference } from './reference.ts';
import type { Objection, Reason, ReasonCode } from './reason.ts';
import { MODES, unknown } from './rule/judging.ts';
import type { Mode } from './rule/judging.ts';
import { judgeRule } from './rule/rules.ts';
import type { PolicySnapshot, SnapshotImage, SnapshotSuppression, SnapshotTag, SnapshotVerdict } from './snapshot.ts';

/** A decision from a snapshot. The evidence is not in it: `suppressed` is empty, and `suppressions` is in its place. */
export interface SnapshotDecision extends Decision {
  /** Vulnerabilities that VEX statements or waivers suppress and that a policy would object to; at most 10 of a policy. */
  readonly suppressions: readonly SnapshotSuppression[];
  readonly omittedSuppressions: number;
  /** How many reasons of each mode the snapshot leaves out. */
  readonly omitted: Readonly<Record<Mode, number>>;
  /** A scan by the collector could answer what is not known, and a policy that decides wants it to be scanned then. */
  readonly wantsScan: boolean;
}

/**
 * Decides whether an image may run, from the verdicts of a snapshot. Pure. Rules about the reference and the registry
 * are judged here; all others are as the collector judged them, and `couldNotTell` from the moment on at which that
 * could be otherwise. The answer is that of `decide` with all evidence, or stricter with the code `verdict-expired` or
 * `not-scanned`. A subject without a digest is judged by that of its reference; a reference with a tag alone is not
 * looked up, see {@link digestOfTag}. `now` is in milliseconds since the epoch.
 */
export function decideFromSnapshot(
  subject: ImageSubject,
  snapshot: Pick<PolicySnapshot, 'policies' | 'issuedAt' | 'byDigest'>,
  now: number,
): SnapshotDecision {
  const judge = judgeBySnapshot(subject, snapshot, now);
  const decision = decideBy(judge.subject, snapshot.policies, judge.rule);
  const omitted = { enforce: 0, warn: 0, observe: 0 };
  const suppressions: SnapshotSuppression[] = [];
  let omittedSuppressions = 0;
  for (const policy of snapshot.policies.filter(({ name }) => decision.policies.includes(name))) {
    for (const mode of MODES) omitted[mode] += judge.omittedOf(policy)[mode];
    for (const verdict of judge.verdictsOf(policy)) {
      suppressions.push(...(verdict?.suppressed ?? []));
      omittedSuppressions += verdict?.omittedSuppressed ?? 0;
    }
  }
  return {
    ...decision,
    suppressed: [],
    suppressions: distinct(suppressions),
    omittedSuppressions,
    omitted,
    wantsScan: judge.wantsScan(),
  };
}

/** Judges the rules of policies on one image by a snapshot. */
export interface SnapshotJudge {
  /** The subject, with the digest of its reference where it has none of its own. */
  readonly subject: ImageSubject;
  readonly rule: RuleJudge;
  /** The verdicts of a policy, one for each image that the digest names; undefined: the collector has none. */
  readonly verdictsOf: (policy: ImagePolicy) => readonly (SnapshotVerdict | undefined)[];
  /** How many reasons of a policy the snapshot leaves out. */
  readonly omittedOf: (policy: ImagePolicy) => Readonly<Record<Mode, number>>;
  /** Whether a rule that was judged wants the image to be scanned. */
  readonly wantsScan: () => boolean;
}

/** The judge that {@link decideFromSnapshot} decides with. */
export function judgeBySnapshot(
  subject: ImageSubject,
  snapshot: Pick<PolicySnapshot, 'issuedAt' | 'byDigest'>,
  now: number,
): SnapshotJudge {
  const reference = referenceOf(subject);
  const named = reference.state === 'seen' ? reference.value : undefined;
  const digest = subject.digest ?? named?.digest;
  const repository = named === undefined ? undefined : `${named.registry}/${named.path}`;
  const images = digest === undefined ? [] : (snapshot.byDigest.get(digest) ?? []);
  // A clock that is behind must not make verdicts hold longer.
  const latest = Math.max(now, snapshot.issuedAt);
  let wantsScan = false;
  const hasUnscanned = images.some(({ unscanned }) => unscanned === true);
  /** Signatures in a repository that the collector has not looked at, or packages that no layers were read for. */
  const scanCouldAnswer = (code: ReasonCode): boolean =>
    code === 'signature-unknown' ? !isJudgedIn(images, repository) : hasUnscanned && SCANNED_CODES.has(code);
  const verdictsOf = memoize((policy: ImagePolicy) => images.map((image) => verdictOf(image, policy, repository)));
  return {
    subject: { ...subject, digest },
    wantsScan: () => wantsScan,
    verdictsOf,
    omittedOf: (policy) => {
      const omitted = { enforce: 0, warn: 0, observe: 0 };
      for (const verdict of verdictsOf(policy)) for (const mode of MODES) omitted[mode] += verdict?.omitted[mode] ?? 0;
      return omitted;
    },
    rule: (policy, rule, place) => {
      const mode = modeOf(policy, rule);
      if (!needsImage(rule)) {
        const input = { reference, evidence: NOTHING, now, accept: policy.accept };
        return judgeRule(rule, input).map((objection) => ({ objection, mode }));
      }
      if (digest === undefined) return [{ objection: NO_DIGEST, mode }];
      if (images.length === 0) {
        wantsScan ||= policy.unscannedImages === 'scan';
        return [{ objection: NOT_JUDGED, mode: policy.unscannedImages === 'allow' ? milder(mode) : mode }];
      }
      const objections = verdictsOf(policy).flatMap((verdict) => storedObjections(verdict, place, latest));
      wantsScan ||= policy.unscannedImages === 'scan' && objections.some(({ code }) => scanCouldAnswer(code));
      return objections.map((objection) => ({ objection, mode }));
    },
  };
}

/**
 * What the tag of a reference named when the collector asked its registry last; undefined: it is not known, or the
 * reference names a digest or is malformed. A tag can have been moved since, and a node can hold another image under
 * the same tag: run what was judged, by its digest.
 */
export function digestOfTag(reference: string, { byTag }: Pick<PolicySnapshot, 'byTag'>): SnapshotTag | undefined {
  const parsed = referenceOf({ reference });
  if (parsed.state !== 'seen' || parsed.value.digest !== undefined || parsed.value.mayBeId) return undefined;
  return byTag.get(formatReference(parsed.value));
}

/** Whether the collector has looked at the repository; where no signature is asked for, that is not known. */
function isJudgedIn(images: readonly SnapshotImage[], repository: string | undefined): boolean {
  if (repository === undefined) return true;
  return images.every(({ verdicts }) => verdicts.some((verdict) => verdict.repository === repository));
}

/** The verdict for the repository, or else the one for all of them; undefined: the collector has none. */
function verdictOf(
  { verdicts }: SnapshotImage,
  { name }: ImagePolicy,
  repository: string | undefined,
): SnapshotVerdict | undefined {
  const own = verdicts.filter(({ policy }) => policy === name);
  return (
    own.find((verdict) => verdict.repository !== null && verdict.repository === repository) ??
    own.find((verdict) => verdict.repository === null)
  );
}

/** The reasons of a verdict by mode, whether or not its policy applies, with those for what has expired at `now`. */
export function verdictReasons(
  policy: ImagePolicy,
  verdict: SnapshotVerdict,
  now: number,
): Readonly<Record<Mode, readonly Reason[]>> {
  return reasonsOf(policy, (_policy, rule, place) => {
    const mode = modeOf(policy, rule);
    if (!needsImage(rule)) return [];
    return storedObjections(verdict, place, now).map((objection) => ({ objection, mode }));
  });
}

function storedObjections(verdict: SnapshotVerdict | undefined, place: string, now: number): readonly Objection[] {
  if (verdict === undefined) return [NOT_JUDGED];
  const objections = verdict.reasons
    .filter(({ rule }) => rule === place)
    .map(({ code, kind, severity, about, actual, expected, action }) => ({
      code,
      kind,
      severity,
      about,
      actual,
      expected,
      action,
    }));
  const until = verdict.validUntil[place];
  return until !== undefined && now > until ? [...objections, EXPIRED] : objections;
}

/** Policies and the images of an index mostly leave out the same. */
function distinct(all: readonly SnapshotSuppression[]): readonly SnapshotSuppression[] {
  return [...new Map(all.map((one) => [JSON.stringify(one), one])).values()];
}

function milder(mode: Mode): Mode {
  return mode === 'enforce' ? 'warn' : mode;
}

function memoize<K extends object, V>(compute: (key: K) => V): (key: K) => V {
  const known = new WeakMap<K, { readonly value: V }>();
  return (key) => {
    const entry = known.get(key) ?? { value: compute(key) };
    known.set(key, entry);
    return entry.value;
  };
}

/** Reasons that the packages of an image are not known. */
const SCANNED_CODES: ReadonlySet<ReasonCode> = new Set([
  'inventory-incomplete',
  'package-unknown',
  'setuid-unknown',
  'vulnerability-unknown',
]);
const NOT_JUDGED = unknown({
  code: 'not-scanned',
  actual: 'the collector has not judged this image',
  expected: 'an image that the collector has judged',
  action: 'Deploy an image that the collector has judged, or say in spec.unscannedImages of the policy what happens.',
});
const NO_DIGEST = unknown({
  code: 'not-scanned',
  actual: 'the digest of the image is not known, so it is not known which image it is',
  expected: 'an image that the collector has judged',
  action: 'Deploy the image by its digest: NAME@sha256:….',
});
const EXPIRED = unknown({
  code: 'verdict-expired',
  actual: 'the answer of this rule depends on the time, and the collector’s last answer does not hold any more',
  expected: 'a current answer of the collector',
  action: 'Make sure that the collector runs and that its snapshots arrive, and try again.',
});

const MISSING = absent('snapshot');
/** Rules about the reference and the registry use none. */
const NOTHING: ImageEvidence = {
  inventory: MISSING,
  scannedAt: MISSING,
  database: MISSING,
  vulnerabilities: MISSING,
  distribution: MISSING,
  configuration: MISSING,
  signatures: MISSING,
};
