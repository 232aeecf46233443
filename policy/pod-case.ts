/**
 * Cases that policies are tested with for pods: an object, what is known about its images and the nodes, and the answer
 * of admission control that is expected.
 *
 * ```yaml
 * apiVersion: plimsoll.dev/v1
 * kind: PodPolicyTest
 * policies: [production.yaml]
 * cases:
 *   - name: a pod that asks for the network of the node
 *     namespace: prod-eu
 *     object: { kind: Pod, spec: { hostNetwork: true, containers: [{ name: web, image: registry.example.com/web:1 }] } }
 *     expect: { outcome: deny, reasons: [pod-security, not-scanned] }
 * ```
 *
 * An image without evidence is one that the collector has not judged; nodes that a case does not give are not known. The
 * request is of `user`, who is nobody that a policy names where the case has none.
 */
import { integer, list, nullable, oneOf, record, string, unknown, withDefault } from '../posture/schema.ts';
import type { Infer, Parsed } from '../posture/schema.ts';
import { decideFromSnapshot, digestOfTag } from './decide-from-snapshot.ts';
import type { ImageSubject } from './decide.ts';
import { duration } from './duration.ts';
import { POLICY_API_VERSION } from './image-policy.ts';
import { judgeImage } from './image-verdict.ts';
import type { SnapshotNodes } from './node-posture.ts';
import { caseEvidence, caseTime, differencesBetween, emptyTest, evidenceOf, expectation } from './policy-case.ts';
import { applyBreakGlass, judgeBreakGlass } from './pod/break-glass.ts';
import type { OverriddenDecision } from './pod/break-glass.ts';
import { decidePod } from './pod/decide-pod.ts';
import type { PodDecision } from './pod/decide-pod.ts';
import { NODE_SEVERITIES } from './pod/node-condition.ts';
import { selectPodPolicy } from './pod/pod-policy.ts';
import { podSourceOf } from './pod/pod-template.ts';
import { canonicalRegistry, formatReference, isDigest, parseReference } from './reference.ts';
import type { PolicySets, PolicySnapshot, SnapshotImage, SnapshotVerdict } from './snapshot.ts';
import { strictObject } from './strict-object.ts';

/** `kind` of the documents. */
export const POD_TEST_KIND = 'PodPolicyTest';

const image = strictObject({
  image: string('reference as the object names it', 1024),
  digest: nullable(string('what its tag names, where admission control pins tags in pods', 256)),
  evidence: nullable(caseEvidence),
});

const count = withDefault(integer('', 0), 0);
const counts = strictObject({ critical: count, high: count, medium: count, low: count });
const NO_COUNTS = { critical: 0, high: 0, medium: 0, low: 0 };

const node = strictObject({
  name: string('', 253),
  labels: withDefault(record(string('', 256), '', 256), {}),
  /** Failed checks of the node itself, and checks that could not be answered, by severity. */
  failed: withDefault(counts, NO_COUNTS),
  unknown: withDefault(counts, NO_COUNTS),
  reportedAgo: withDefault(duration('how long ago its agent has reported'), 0),
});

const ALLOWED_BY = ['policies', 'breakGlass', 'exemptNamespace'] as const;
/** Why admission control allows a request: no violation, or in spite of violations, or without being judged. */
export type AllowedBy = (typeof ALLOWED_BY)[number];

const podExpectation = { ...expectation, allowedBy: nullable(oneOf(ALLOWED_BY, 'why the request is allowed')) };

const podCase = strictObject({
  name: string('', 256),
  object: nullable(unknown()),
  file: nullable(string('manifest with the object; relative to this file', 4096)),
  namespace: nullable(string('', 253)),
  user: withDefault(
    strictObject({
      name: withDefault(string('', 512), ''),
      groups: withDefault(list(string('', 512), '', 256), []),
    }),
    { name: '', groups: [] },
  ),
  images: withDefault(list(image, '', 256), []),
  nodes: nullable(list(node, '', 1000)),
  expect: strictObject({ ...podExpectation, pods: nullable(strictObject(podExpectation)) }),
});

const podTest = strictObject({
  apiVersion: oneOf([POLICY_API_VERSION]),
  kind: oneOf([POD_TEST_KIND]),
  policies: list(string('', 4096), 'policy files; relative to this file', 64),
  exemptNamespaces: withDefault(
    list(string('', 253), 'as `admission-exempt-namespaces` of the admission webhook', 256),
    [],
  ),
  now: nullable(caseTime),
  cases: list(podCase, '', 1000),
});
/** A document with cases. */
export type PodTest = Infer<typeof podTest>;
/** One case. */
export type PodCase = PodTest['cases'][number];

/** The cases of one document, or what is wrong with it and where. */
export function parsePodTest(value: unknown): Parsed<PodTest> {
  const parsed = podTest.parse(value);
  if (!parsed.ok) return { ok: false, problem: parsed.problem.replace(/^\./, '') };
  const problem = emptyTest(parsed.value);
  if (problem !== undefined) return { ok: false, problem };
  const index = parsed.value.cases.findIndex(({ object, file }) => (object === null) === (file === null));
  return index === -1 ? parsed : { ok: false, problem: `cases[${String(index)}]: expected either object or file` };
}

/** The answer to a request. `reasons` of one that is allowed by break-glass are those that it overrides. */
export interface PodAnswer extends PodDecision {
  /** Undefined: the request is refused. */
  readonly allowedBy: AllowedBy | undefined;
}

/** The answers about an object. */
export interface PodCaseDecision {
  /** To the request that creates the object. */
  readonly created: PodAnswer;
  /** To the requests that create the pods of a template; undefined: the object is a pod. */
  readonly pods: PodAnswer | undefined;
}

/** What a case is decided with. */
export interface PodCaseSources {
  readonly sets: PolicySets;
  readonly exemptNamespaces: readonly string[];
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/**
 * The decision on the object of a case, made as admission control makes it: from a snapshot that holds the verdicts on
 * the evidence of the case.
 */
export function decidePodCase(
  one: PodCase,
  object: unknown,
  { sets, exemptNamespaces, now }: PodCaseSources,
): Parsed<PodCaseDecision> {
  const fields = typeof object === 'object' && object !== null ? (object as Readonly<Record<string, unknown>>) : {};
  const kind = typeof fields['kind'] === 'string' ? fields['kind'] : '';
  const source = podSourceOf(kind, object);
  if (source === undefined)
    return { ok: false, problem: 'object: expected a Pod, or an object with a pod template such as a Deployment' };
  const isPod = source.path === '';
  if (isPod && one.expect.pods !== null)
    return { ok: false, problem: 'expect.pods: expected only for objects with a pod template' };
  const images = imagesOfCase(one, sets, now);
  if (!images.ok) return images;
  const { snapshot, byTag } = images.value;
  const decideOn = (reference: string, subject: ImageSubject) =>
    decideFromSnapshot({ ...subject, reference, digest: undefined }, snapshot, now);
  const judge = {
    podPolicies: sets.podPolicies,
    placement: { nodes: nodesOf(one, now), now },
    decideImage: (subject: ImageSubject) => decideOn(subject.reference ?? '', subject),
  };
  const decidePinned = (subject: ImageSubject) => {
    const { reference = '' } = subject;
    const tag = digestOfTag(reference, { byTag });
    return decideOn(tag === undefined ? reference : `${reference}@${tag.digest}`, subject);
  };
  const namespace = one.namespace ?? namespaceOf(fields) ?? 'default';
  if (exemptNamespaces.includes(namespace))
    return { ok: true, value: { created: EXEMPT, pods: isPod ? undefined : EXEMPT } };
  const decidePods = () =>
    decidePod({ kind: 'Pod', object: source.value, namespace }, { ...judge, decideImage: decidePinned });
  const { name: username, groups } = one.user;
  // The controllers copy the annotation of a template that was allowed.
  const subject = { operation: 'CREATE', kind, object, oldObject: null, user: { username, groups } };
  const glass = judgeBreakGlass(subject, selectPodPolicy(sets.podPolicies, namespace));
  const answer = (decided: PodDecision): PodAnswer =>
    answerOf(applyBreakGlass(subject, glass, { decided, asPods: decidePods }));
  const pods = answer(decidePods());
  return {
    ok: true,
    value: isPod
      ? { created: pods, pods: undefined }
      : { created: answer(decidePod({ kind, object, namespace }, judge)), pods },
  };
}

const EXEMPT: PodAnswer = Object.freeze({
  outcome: 'allow',
  allowedBy: 'exemptNamespace',
  policies: [],
  reasons: [],
  warnings: [],
  observed: [],
});

function answerOf({ decision, breakGlass }: OverriddenDecision): PodAnswer {
  if (breakGlass !== undefined) return { ...decision, outcome: 'allow', allowedBy: 'breakGlass' };
  return { ...decision, allowedBy: decision.outcome === 'allow' ? 'policies' : undefined };
}

/** What differs between the decision and what the case expects, one line each; empty: as expected. */
export function podDifferencesFrom({ expect }: PodCase, { created, pods }: PodCaseDecision): readonly string[] {
  const ofPods = expect.pods === null || pods === undefined ? [] : answerDifferences(expect.pods, pods);
  return [...answerDifferences(expect, created), ...ofPods.map((one) => `pods: ${one}`)];
}

function answerDifferences(expect: NonNullable<PodCase['expect']['pods']>, answer: PodAnswer): readonly string[] {
  const { allowedBy } = expect;
  const isOther = allowedBy !== null && allowedBy !== answer.allowedBy;
  const other = `expected to be allowed by ${allowedBy ?? ''}, got ${answer.allowedBy ?? 'a refusal'}`;
  return [...differencesBetween(expect, answer), ...(isOther ? [other] : [])];
}

type CaseImages = Pick<PolicySnapshot, 'byTag'> & {
  readonly snapshot: Pick<PolicySnapshot, 'policies' | 'issuedAt' | 'byDigest'>;
};

/** The verdicts on the images of the case, each for its repository. */
function imagesOfCase(one: PodCase, { policies }: PolicySets, now: number): Parsed<CaseImages> {
  const byDigest = new Map<string, SnapshotVerdict[]>();
  const byTag = new Map<string, { readonly reference: string; readonly digest: string; readonly checkedAt: number }>();
  for (const [index, given] of one.images.entries()) {
    const at = `images[${String(index)}]`;
    const parsed = parseReference(given.image);
    if (!parsed.ok) return { ok: false, problem: `${at}.image: ${parsed.reason}` };
    const reference = { ...parsed.value, registry: canonicalRegistry(parsed.value.registry) };
    const digest = reference.digest ?? given.digest;
    if (digest === null || !isDigest(digest))
      return { ok: false, problem: `${at}: expected a digest in the reference or beside it; no tag is judged` };
    if (reference.digest === undefined) {
      const text = formatReference(reference);
      byTag.set(text, { reference: text, digest, checkedAt: now });
    }
    if (given.evidence === null) continue;
    const evidence = evidenceOf(given.evidence, policies, now);
    if (!evidence.ok) return { ok: false, problem: `${at}.${evidence.problem}` };
    const repository = `${reference.registry}/${reference.path}`;
    const known = byDigest.get(digest) ?? [];
    byDigest.set(digest, known);
    for (const policy of policies) known.push({ ...judgeImage(policy, evidence.value, { now }), repository });
  }
  const images = [...byDigest].map(([digest, verdicts]): readonly [string, readonly SnapshotImage[]] => [
    digest,
    [{ digests: [digest], judgedAt: now, scannedAt: now, databaseBuiltAt: now, verdicts }],
  ]);
  return { ok: true, value: { byTag, snapshot: { policies, issuedAt: now, byDigest: new Map(images) } } };
}

function nodesOf({ nodes }: PodCase, now: number): SnapshotNodes | undefined {
  if (nodes === null) return undefined;
  return {
    listedAt: now,
    isComplete: true,
    nodes: nodes.map(({ name, labels, failed, unknown: notRead, reportedAgo }) => ({
      name,
      labels,
      seenAt: now - reportedAgo,
      failed: NODE_SEVERITIES.map((severity) => failed[severity]),
      unknown: NODE_SEVERITIES.map((severity) => notRead[severity]),
    })),
  };
}

function namespaceOf({ metadata }: Readonly<Record<string, unknown>>): string | undefined {
  if (typeof metadata !== 'object' || metadata === null || !('namespace' in metadata)) return undefined;
  return typeof metadata.namespace === 'string' && metadata.namespace !== '' ? metadata.namespace : undefined;
}
