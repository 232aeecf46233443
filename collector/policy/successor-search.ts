import { annotate } from '../../image/policy/annotations.ts';
import { createRegistryClient } from '../../image/registry/registry-client.ts';
import type { RegistryClient } from '../../image/registry/registry-client.ts';
import type { RegistryOptions } from '../../image/registry/registry-session.ts';
import type { RegistryResult } from '../../image/registry/registry-result.ts';
import { decideFromSnapshot } from '../../policy/decide-from-snapshot.ts';
import { matchesGlob } from '../../policy/glob.ts';
import type { ImagePolicy } from '../../policy/image-policy.ts';
import { canonicalRegistry, formatReference, isDigest } from '../../policy/reference.ts';
import type { ImageReference } from '../../policy/reference.ts';
import type { ExposedVulnerability } from '../../policy/rollout/exposure.ts';
import { newerTags } from '../../policy/rollout/successor.ts';
import type { Candidate, SuccessorSearch } from '../../policy/rollout/successor.ts';
import type { SuccessorRule } from '../../policy/rollout/rollout-policy.ts';
import { indexImages } from '../../policy/snapshot.ts';
import type { Clock } from '../../service/clock.ts';
import type { VulnerabilityMatch } from '../../vulnerability/vulnerability.ts';
import type { FleetAnnotations } from '../image/suppression-review.ts';
import type { Announcements } from './announcements.ts';
import { readBuildTime } from './build-time.ts';
import type { ImageJudge, JudgedScan } from './image-judge.ts';
import type { ImageScans } from './image-scans.ts';
import { namesOneOf } from './read-reference.ts';

/** The image whose successor is wanted. */
export interface SuccessorRequest {
  readonly reference: ImageReference;
  /** Namespace that the successor is to run in. */
  readonly namespace: string;
  /** Digests of the image that runs: none of them is a successor. */
  readonly digests: readonly string[];
  readonly rules: readonly SuccessorRule[];
}

/** What a search needs. */
export interface SuccessorSearchOptions {
  /** Registries that may be asked. */
  readonly registries: readonly string[];
  readonly registry: Pick<RegistryOptions, 'credentials' | 'ca'>;
  readonly scans: Pick<ImageScans, 'request' | 'states'>;
  readonly scanOf: ImageJudge['scanOf'];
  readonly announcements: Pick<Announcements, 'replacing'>;
  readonly policies: () => readonly ImagePolicy[];
  /** VEX statements and waivers of the collector; undefined: not read yet. */
  readonly annotations: () => FleetAnnotations | undefined;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** Finds images that could replace another, has them scanned and judges them. Never rejects. */
export type FindSuccessors = (request: SuccessorRequest) => Promise<SuccessorSearch>;

const MAX_CANDIDATES = 5;
/** Digests of the image that runs whose build time is read. */
const MAX_DIGESTS = 4;
const MAX_VULNERABILITIES = 5000;
const MAX_REASONS = 5;
const MAX_TEXT = 500;
/** Answers of registries are kept for so long: many workloads run the same image. */
const CACHE_MS = 30_000;
/** What a digest names never changes. */
const CACHE_DIGEST_MS = 3_600_000;
const MAX_CACHED = 1000;
/** A scan that failed is tried again after this time. */
const RESCAN_MS = 5 * 60_000;

/** A search over the registries of the settings. Only the repository of the image itself is looked at. */
export function createSuccessorSearch(options: SuccessorSearchOptions): FindSuccessors {
  const { scans, announcements, clock, signal } = options;
  const allowed = new Set(options.registries.map(canonicalRegistry));
  const clients = new Map<string, RegistryClient>();
  const cache = new Map<string, { untilMs: number; readonly answer: Promise<RegistryResult<unknown>> }>();
  const requestedMs = new Map<string, number>();
  signal.addEventListener('abort', () => clients.forEach((client) => client.close()), { once: true });

  const clientOf = (registry: string): RegistryClient => {
    const client = clients.get(registry) ?? createRegistryClient({ registry, ...options.registry, signal });
    clients.set(registry, client);
    return client;
  };
  /** A failure is kept for `CACHE_MS`, whatever `keptMs` says. */
  const cached = async <T>(
    key: string,
    ask: () => Promise<RegistryResult<T>>,
    keptMs = CACHE_MS,
  ): Promise<RegistryResult<T>> => {
    const known = cache.get(key);
    if (known !== undefined && clock.monotonic() < known.untilMs) return known.answer as Promise<RegistryResult<T>>;
    const entry = { untilMs: clock.monotonic() + CACHE_MS, answer: ask() };
    cache.delete(key);
    cache.set(key, entry);
    const [oldest] = cache.keys();
    if (cache.size > MAX_CACHED && oldest !== undefined) cache.delete(oldest);
    const answer = await entry.answer;
    if (answer.ok) entry.untilMs = clock.monotonic() + keptMs;
    return answer;
  };
  const resolve = async ({ registry, path }: ImageReference, tag: string) => {
    const found = await cached(`${registry}/${path}:${tag}`, () => clientOf(registry).resolve(path, tag));
    return found.ok ? { ok: true as const, value: { registry, path, tag, digest: found.value.digest } } : found;
  };
  const buildTime = ({ registry, path }: ImageReference, digest: string) =>
    cached(`${registry}/${path}@${digest}`, () => readBuildTime(clientOf(registry), path, digest));
  /** Whether it is the image that runs: one that was loaded is known by the digest of its configuration only. */
  const isRunning = (
    { registry, path, digest }: ImageReference & { readonly digest: string },
    ids: readonly string[],
  ) =>
    cached(
      JSON.stringify([registry, path, digest, ids]),
      () => namesOneOf(clientOf(registry), { path, digest }, ids),
      CACHE_DIGEST_MS,
    );
  /**
   * Whether an image was built before the one that runs: a tag that was moved back is no rebuild. False where the registry
   * does not have the image that runs any more, or where a time is not known. `running` has ids of the image among its
   * digests: a failure counts only where no other digest says the time. `problem`: whose time is not known, and why.
   */
  const isOlder = async (candidate: ImageReference & { readonly digest: string }, running: readonly string[]) => {
    const own = await buildTime(candidate, candidate.digest);
    const unknown = (image: string, reason: string) => ({
      ok: false as const,
      problem: `when ${image} was built is not known: ${reason}`,
    });
    if (!own.ok) return unknown(formatReference(candidate), own.reason);
    let failure: ReturnType<typeof unknown> | undefined;
    let isCompared = own.value === undefined;
    for (const digest of running.filter(isDigest).slice(0, MAX_DIGESTS)) {
      const before = await buildTime(candidate, digest);
      if (!before.ok) failure ??= unknown(`the image that runs, ${digest},`, before.reason);
      else if (own.value !== undefined && before.value !== undefined) {
        if (own.value < before.value) return { ok: true as const, value: true };
        isCompared = true;
      }
    }
    return failure === undefined || isCompared ? { ok: true as const, value: false } : failure;
  };
  /** References of one rule, and why they are not all of them. */
  const byRule = async ({ reference, digests }: SuccessorRequest, rule: SuccessorRule) => {
    const { registry, path, tag } = reference;
    if (rule.type === 'announced') return { found: announcements.replacing(reference, digests), problem: '' };
    if (tag === undefined) return { found: [], problem: '' };
    let tags: readonly string[] = [tag];
    if (rule.type === 'tagPattern') {
      const listed = await cached(`${registry}/${path}`, () => clientOf(registry).tags(path));
      if (!listed.ok) return { found: [], problem: `its tags could not be listed: ${listed.reason}` };
      if (!listed.value.isComplete) return { found: [], problem: 'the registry has too many tags of it' };
      tags = newerTags(listed.value.tags, tag, rule);
    }
    const found: Omit<ImageReference, 'mayBeId'>[] = [];
    for (const one of tags) {
      const resolved = await resolve(reference, one);
      if (resolved.ok) found.push(resolved.value);
      else if (resolved.code !== 'notFound') return { found, problem: `the tag ${one}: ${resolved.reason}` };
    }
    return { found, problem: '' };
  };
  /** Asks for a scan if the image was never scanned, or if the last scan failed a while ago. */
  const scanState = (reference: ImageReference) => {
    const key = formatReference(reference);
    const known = scans.states().find(({ image }) => image === key);
    const isOld = clock.monotonic() - (requestedMs.get(key) ?? -Infinity) > RESCAN_MS;
    if (known !== undefined && !(known.state === 'failed' && isOld)) return known;
    requestedMs.delete(key);
    requestedMs.set(key, clock.monotonic());
    const [oldest] = requestedMs.keys();
    if (requestedMs.size > MAX_CACHED && oldest !== undefined) requestedMs.delete(oldest);
    const state = scans.request(reference);
    if (typeof state !== 'string') return state;
    const reason = state === 'full' ? 'too many images wait for a scan' : 'the registry may not be asked';
    return { state: 'failed' as const, reason };
  };
  const judge = (reference: ImageReference & { readonly digest: string }, namespace: string): Candidate => {
    const text = formatReference(reference);
    const scan = options.scanOf(reference);
    const unjudged = { reference: text, digest: reference.digest, ...NOTHING_KNOWN };
    const annotations = options.annotations();
    if (scan !== undefined && annotations !== undefined)
      return judgeScan(options, { reference, scan, annotations, namespace });
    const { state, reason } = scanState(reference);
    return state === 'failed'
      ? { ...unjudged, state: 'failed', reasons: [`it could not be scanned: ${reason}`.slice(0, MAX_TEXT)] }
      : { ...unjudged, state: 'pending', reasons: [] };
  };
  return async (request) => {
    const reference = { ...request.reference, registry: canonicalRegistry(request.reference.registry) };
    if (!allowed.has(reference.registry))
      return { candidates: [], problem: `the collector may not ask ${reference.registry}: see the setting registries` };
    const found = new Map<string, ImageReference & { readonly digest: string }>();
    const problems: string[] = [];
    const older: Candidate[] = [];
    for (const rule of request.rules) {
      const { found: own, problem } = await byRule({ ...request, reference }, rule);
      if (problem !== '') problems.push(problem);
      for (const { registry, path, tag, digest } of own) {
        if (digest === undefined || request.digests.includes(digest) || found.has(digest)) continue;
        const one = { registry, path, ...(tag === undefined ? {} : { tag }), digest, mayBeId: false };
        const same = request.digests.length === 0 ? NO : await isRunning(one, request.digests);
        if (!same.ok) problems.push(`what ${formatReference(one)} is cannot be read: ${same.reason}`);
        if (!same.ok || same.value) continue;
        const compared = rule.type === 'sameTag' ? await isOlder(one, request.digests) : NO;
        if (!compared.ok) problems.push(compared.problem);
        else if (compared.value) older.push({ reference: formatReference(one), digest, ...OLDER });
        else found.set(digest, one);
      }
    }
    const judged = [...found.values()].slice(0, MAX_CANDIDATES).map((one) => judge(one, request.namespace));
    const candidates = [...judged, ...older].slice(0, MAX_CANDIDATES);
    return { candidates, problem: problems.join('; ').slice(0, MAX_TEXT) };
  };
}

const NO = { ok: true, value: false } as const;
const OLDER = {
  state: 'judged',
  outcome: 'deny',
  reasons: ['it was built before the image that runs: the tag was moved back'],
  vulnerabilities: [],
  endOfLifeMs: undefined,
} as const;
const NOTHING_KNOWN = { outcome: 'couldNotTell', vulnerabilities: [], endOfLifeMs: undefined } as const;

interface Judging {
  readonly reference: ImageReference;
  readonly scan: JudgedScan;
  readonly annotations: FleetAnnotations;
  readonly namespace: string;
}

/**
 * The decision on an image that was scanned. Where its vulnerabilities are not known, the outcome is `couldNotTell`.
 */
function judgeScan(
  { policies, clock }: Pick<SuccessorSearchOptions, 'policies' | 'clock'>,
  { reference: parsed, scan, annotations, namespace }: Judging,
): Candidate {
  const now = clock.now();
  const reference = formatReference(parsed);
  const { digest, judged, evidence } = scan;
  const subject = { reference, digest, namespace };
  const current = policies();
  const decision = decideFromSnapshot(
    subject,
    { policies: current, issuedAt: now, byDigest: indexImages(judged) },
    now,
  );
  const accepted = current.filter(({ name }) => decision.policies.includes(name)).flatMap(({ accept }) => accept.gaps);
  const problem = unknownOf(evidence, accepted);
  const outcome = decision.outcome === 'allow' && problem !== undefined ? 'couldNotTell' : decision.outcome;
  const reasons = decision.reasons.map(({ about, actual }) => (about === '' ? actual : `${about}: ${actual}`));
  const { vulnerabilities, distribution, inventory } = evidence;
  const found = vulnerabilities.state === 'seen' ? vulnerabilities.value.matches : [];
  const about = {
    reference: parsed,
    digest,
    distribution: inventory.state === 'seen' ? inventory.value.distribution : undefined,
    now,
  };
  const { matches } = annotate(found, { ...annotations, notes: [] }, about);
  const end = distribution.state === 'seen' ? distribution.value.endOfLifeAt : undefined;
  return {
    reference,
    digest,
    state: 'judged',
    outcome,
    reasons: [...(problem === undefined ? [] : [problem]), ...reasons]
      .slice(0, MAX_REASONS)
      .map((one) => one.slice(0, MAX_TEXT)),
    vulnerabilities: matches
      .filter(({ suppressed }) => suppressed === undefined)
      .slice(0, MAX_VULNERABILITIES)
      .map((match) => presentMatch(match, false)),
    endOfLifeMs: end?.state === 'seen' ? end.value : undefined,
  };
}

/** Why the absence of a vulnerability would mean nothing; undefined: it means something. */
function unknownOf(
  { inventory, database, vulnerabilities }: JudgedScan['evidence'],
  acceptedGaps: readonly string[],
): string | undefined {
  if (inventory.state !== 'seen') return 'its packages are not known';
  if (database.state !== 'seen') return 'there is no current vulnerability database';
  if (vulnerabilities.state !== 'seen') return 'its vulnerabilities are not known';
  const gap = inventory.value.gaps.find(({ path }) => !acceptedGaps.some((pattern) => matchesGlob(pattern, path)));
  return gap === undefined ? undefined : `${gap.path} could not be read: ${gap.reason}`;
}

/** A match as triggers look at it. */
export function presentMatch(
  {
    package: { name },
    vulnerability: { id, severity, kev, epss },
    status,
  }: Pick<VulnerabilityMatch, 'package' | 'vulnerability' | 'status'>,
  hasExpiredWaiver: boolean,
): ExposedVulnerability {
  return {
    id,
    package: name,
    severity,
    isExploited: kev !== undefined,
    epss: epss?.score,
    isFixable: status === 'fixed',
    hasExpiredWaiver,
  };
}
