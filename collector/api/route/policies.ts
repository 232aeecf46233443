import { imageScan, imageScans, simulation, snapshotKey } from '../../../api/policy.ts';
import * as s from '../../../posture/schema.ts';
import { verdictReasons } from '../../../policy/decide-from-snapshot.ts';
import { outcomeOf } from '../../../policy/decide.ts';
import type { Outcome } from '../../../policy/decide.ts';
import type { SnapshotSuppression, SnapshotVerdict } from '../../../policy/snapshot.ts';
import type { ImagePolicy } from '../../../policy/image-policy.ts';
import { parseReference } from '../../../policy/reference.ts';
import type { Reason } from '../../../policy/reason.ts';
import type { SimulatedDecision } from '../../policy/simulation.ts';
import { numeric, text } from '../parameter.ts';
import { answer, jsonRoute, NO_FIELDS, refuse } from '../route.ts';
import type { ApiSources, BytesRoute, Refusal } from '../route.ts';

const DEFAULT_LIMIT = 1000;
const MAX_LIMIT = 10_000;
const RETRY_MS = 5000;

/** GET /v1/policies/simulation */
export const simulatePolicies = jsonRoute({
  method: 'GET',
  path: '/v1/policies/simulation',
  operation: 'simulatePolicies',
  summary: 'Decisions of the policies about the images of running containers',
  description:
    'The decision on each image that runs, as if it were started now, and for each policy the containers by outcome: what ' +
    'enforcing it would do.',
  refuses: ['notFound', 'invalidRequest'],
  query: s.object({
    namespace: s.nullable(
      text('where the images are taken to run; default: none, so that only policies for all apply', 253),
    ),
    limit: s.withDefault(numeric('', 1, MAX_LIMIT), DEFAULT_LIMIT),
  }),
  answer: simulation,
  handle: ({ query }, { policies }) => {
    if (policies === undefined) return NO_POLICIES;
    const decisions = policies.simulate(query.namespace ?? undefined);
    const modes = new Map(policies.policies().map(({ name, mode }) => [name, mode as string]));
    return answer({
      policies: countByPolicy(decisions, modes),
      images: decisions.slice(0, query.limit).map(presentDecision),
      total: decisions.length,
    });
  },
});

/** GET /v1/policies/snapshot */
export const getPolicySnapshot = Object.freeze<BytesRoute>({
  kind: 'bytes',
  method: 'GET',
  path: '/v1/policies/snapshot',
  operation: 'getPolicySnapshot',
  summary: 'The policies and the verdicts on all images, signed',
  description:
    'For programs that enforce policies. The header `plimsoll-signature` is the Ed25519 signature of exactly the bytes of ' +
    'the body before compression, in base64, `plimsoll-key-id` the key. With `if-none-match` the answer is 304 while ' +
    'nothing has changed.',
  refuses: ['notFound', 'unavailable'],
  params: NO_FIELDS,
  query: NO_FIELDS,
  body: undefined,
  mediaType: 'application/json',
  handle: (_input, { policies }) => {
    if (policies === undefined) return NO_POLICIES;
    const snapshot = policies.snapshot();
    if (snapshot === undefined) return NOT_YET;
    return answer({
      bytes: snapshot.content,
      gzip: snapshot.gzip,
      etag: `"${String(snapshot.version)}"`,
      headers: { 'plimsoll-signature': snapshot.signature, 'plimsoll-key-id': policies.keyId },
    });
  },
});

/** GET /v1/policies/snapshot-key */
export const getSnapshotKey = jsonRoute({
  method: 'GET',
  path: '/v1/policies/snapshot-key',
  operation: 'getSnapshotKey',
  summary: 'The key that snapshots of policies are signed with',
  description: 'Give it to the programs that enforce policies: they believe no snapshot that another key has signed.',
  refuses: ['notFound'],
  answer: snapshotKey,
  handle: (_input, { policies }) =>
    policies === undefined ? NO_POLICIES : answer({ id: policies.keyId, publicKey: policies.publicKey }),
});

/** GET /v1/policies/scans */
export const listImageScans = jsonRoute({
  method: 'GET',
  path: '/v1/policies/scans',
  operation: 'listImageScans',
  summary: 'Requested scans of images',
  description:
    'How far they are. What a scan found is in the next snapshot; scans are forgotten when the collector ends.',
  refuses: ['notFound'],
  answer: imageScans,
  handle: (_input, { policies }) => (policies === undefined ? NO_POLICIES : answer({ scans: policies.scans() })),
});

/** POST /v1/policies/scans */
export const scanImage = jsonRoute({
  method: 'POST',
  path: '/v1/policies/scans',
  operation: 'scanImage',
  summary: 'Scans an image that no node runs',
  description:
    'The collector pulls the image from its registry, which the setting `registries` must list, and judges it by the ' +
    'policies. One image at a time.',
  refuses: ['notFound', 'invalidRequest', 'tooLarge', 'unsupportedMediaType', 'unavailable'],
  body: s.object({ image: text('reference', 1024) }),
  answer: imageScan,
  handle: ({ body }, { policies }) => {
    if (policies === undefined) return NO_POLICIES;
    const reference = parseReference(body.image);
    if (!reference.ok) return refuse('invalidRequest', `image: ${reference.reason}`);
    const state = policies.requestScan(reference.value);
    if (state === 'full') return { ...refuse('unavailable', 'too many images wait for a scan'), retryAfterMs: 60_000 };
    if (state === 'forbidden')
      return refuse('invalidRequest', 'the collector may not ask this registry', 'add it to the setting registries');
    return answer(state);
  },
});

/** Where there are none. */
export const NO_POLICIES: Refusal = refuse(
  'notFound',
  'the collector has no image policies',
  'start it with --policies FILE or a directory',
);
const NOT_YET: Refusal = {
  ...refuse('unavailable', 'the images of the fleet are not judged yet', 'plimsoll status says why if it stays so'),
  retryAfterMs: RETRY_MS,
};

type Counts = Record<Outcome, number>;

function countByPolicy(decisions: readonly SimulatedDecision[], modes: ReadonlyMap<string, string>) {
  const zero = (): Counts => ({ allow: 0, deny: 0, couldNotTell: 0 });
  const rows = new Map([...modes].map(([policy, mode]) => [policy, newRow(policy, mode)]));
  function newRow(policy: string, mode: string) {
    return { policy, mode, images: 0, containers: zero(), enforced: zero() };
  }
  for (const { decision, enforced, containers } of decisions)
    for (const policy of decision.policies.length === 0 ? [''] : decision.policies) {
      const row = rows.get(policy) ?? newRow(policy, '');
      rows.set(policy, row);
      row.images += 1;
      row.containers[decision.outcome] += containers;
      row.enforced[enforced] += containers;
    }
  return [...rows.values()].sort((a, b) => (a.policy < b.policy ? -1 : 1));
}

function presentDecision({ imageId, name, containers, decision, enforced }: SimulatedDecision) {
  const { outcome, policies, reasons, warnings, observed, omitted, suppressions, omittedSuppressions } = decision;
  return {
    id: imageId,
    name,
    containers,
    policies,
    outcome,
    enforced,
    reasons: reasons.map(presentReason),
    warnings: warnings.map(presentReason),
    observed: observed.map(presentReason),
    omitted: omitted.enforce + omitted.warn + omitted.observe,
    suppressions: suppressions.map(presentSuppression),
    omittedSuppressions,
  };
}

function presentSuppression({ expiresAt, ...suppression }: SnapshotSuppression) {
  return { ...suppression, expiresMs: expiresAt ?? undefined };
}

/** A reason as the API shows it. */
function presentReason(reason: Reason) {
  const { policy, rule, code, kind, severity, about, actual, expected, action, message } = reason;
  return {
    policy,
    rule,
    code,
    kind,
    severity,
    about,
    actual,
    expected,
    action,
    message,
  };
}

/** The verdicts on an image as the API shows them. */
export function presentVerdicts({ policies, clock }: Pick<ApiSources, 'policies' | 'clock'>, imageId: string) {
  if (policies === undefined) return [];
  const byName = new Map(policies.policies().map((policy) => [policy.name, policy]));
  return policies.verdictsOf(imageId).map(({ digests, judgedAt, databaseBuiltAt, verdicts }) => ({
    digests,
    judgedMs: judgedAt,
    databaseBuiltMs: databaseBuiltAt ?? undefined,
    policies: verdicts.flatMap((verdict) => {
      const policy = byName.get(verdict.policy);
      return policy === undefined ? [] : [presentVerdict(policy, verdict, clock.now())];
    }),
  }));
}

function presentVerdict(policy: ImagePolicy, verdict: SnapshotVerdict, now: number) {
  const { repository, omitted, suppressed, omittedSuppressed, validUntil } = verdict;
  const { enforce, warn, observe } = verdictReasons(policy, verdict, now);
  const ends = Object.values(validUntil);
  return {
    policy: policy.name,
    repository: repository ?? undefined,
    outcome: outcomeOf(enforce),
    reasons: enforce.map(presentReason),
    warnings: warn.map(presentReason),
    observed: observe.map(presentReason),
    omitted: omitted.enforce + omitted.warn + omitted.observe,
    suppressions: suppressed.map(presentSuppression),
    omittedSuppressions: omittedSuppressed,
    validUntilMs: ends.length === 0 ? undefined : Math.min(...ends),
  };
}
