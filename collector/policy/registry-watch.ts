import { authoritiesOf } from '../../image/policy/signature-evidence.ts';
import type { CredentialSource } from '../../image/registry/credentials.ts';
import { createRegistryClient } from '../../image/registry/registry-client.ts';
import type { RegistryErrorCode } from '../../image/registry/registry-result.ts';
import type { RegistryClient } from '../../image/registry/registry-client.ts';
import { unreadable } from '../../posture/observed.ts';
import type { Observed } from '../../posture/observed.ts';
import type { ConfigurationEvidence } from '../../policy/evidence.ts';
import type { ImagePolicy } from '../../policy/image-policy.ts';
import { canonicalRegistry, formatReference, parseReference } from '../../policy/reference.ts';
import type { ImageReference } from '../../policy/reference.ts';
import { authorityId } from '../../policy/rule/signature.ts';
import { jittered } from '../../service/backoff.ts';
import { sleep } from '../../service/clock.ts';
import type { Clock } from '../../service/clock.ts';
import type { Logger } from '../../service/log.ts';
import type { RunningImages } from '../image/running-images.ts';
import type { ImageIdentity } from '../../image/policy/examine-image.ts';
import type { ManifestSignatures } from './manifest-signatures.ts';
import { readReference } from './read-reference.ts';
import type { ReferenceAnswer } from './read-reference.ts';
import type { RegistryFacts, RegistrySource, ReportedTag, TagState } from './registry-facts.ts';
import { createTagHistory } from './tag-history.ts';
import type { TagHistory } from './tag-history.ts';

/** What is known from registries, kept current. */
export interface RegistryWatch extends RegistrySource {
  /** Resolves once the signal has aborted and nothing runs any more. */
  readonly over: Promise<void>;
}

/** What the watch needs. */
export interface RegistryWatchOptions {
  readonly running: Pick<RunningImages, 'imageIds' | 'containersOf'>;
  /** Registries that may be asked, as references name them. */
  readonly registries: readonly string[];
  readonly credentials: CredentialSource;
  /** Authorities in PEM; undefined: those of the system. */
  readonly ca: string | undefined;
  readonly plainHttp?: boolean;
  /** How often each reference is asked about. */
  readonly intervalMs: number;
  /** The policies whose authorities count. */
  readonly policies: () => readonly ImagePolicy[];
  /** Something new is known. */
  readonly onChange: () => void;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/** One reference that an image was started from. */
interface Watched {
  readonly imageId: string;
  readonly reference: ImageReference;
  /** Of the policies at the time of the answer. */
  authorities: string;
  dueMs: number;
  /** The last answer that says something. */
  known: Exclude<ReferenceAnswer, { state: 'unknown' }> | undefined;
  knownMs: number;
  /** Why the last question had no answer; empty: it had one. */
  problem: string;
  /** What findings say of it. */
  readonly history: TagHistory;
  configuration: Observed<ConfigurationEvidence> | undefined;
  /** The image by its content, once a registry has proved it. */
  image: ImageIdentity | undefined;
  /** Every manifest that was proved to name the image, also after the tag has moved. */
  readonly manifests: Map<string, Pick<ManifestSignatures, 'digest' | 'signatures' | 'atMs'>>;
  revision: number;
}

const ROUND_MS = 5000;
const CONCURRENCY = 4;
const RETRY_MS = 5 * 60_000;
const MAX_WATCHED = 20_000;
/** After this number of failed requests a registry is not asked for {@link RETRY_MS}. */
const MAX_UNANSWERED = 3;
const NO_ANSWER: ReadonlySet<RegistryErrorCode> = new Set(['unreachable', 'timeout', 'rateLimited'] as const);
/** References of one image. */
const MAX_NAMES = 16;

/**
 * Asks the registries of running images which manifests name them, for their configuration and signatures, and whether
 * the tag that a container was started from still names its image. Only registries of the list are asked: whoever can
 * start a container chooses the names. What a registry does not answer leaves what was known before.
 */
export function watchRegistries(options: RegistryWatchOptions): RegistryWatch {
  const { policies, clock, log, signal, intervalMs, onChange } = options;
  const allowed = new Set(options.registries.map(canonicalRegistry));
  const clients = new Map<string, RegistryClient>();
  /** Questions to a registry in succession that it did not answer. */
  const unanswered = new Map<string, { count: number; untilMs: number }>();
  let watched = new Map<string, Watched>();
  let byImage: ReadonlyMap<string, readonly Watched[]> = new Map();
  /** Names that do not fit into the bounds; as the keys of `watched`. */
  let omitted: ReadonlySet<string> = new Set();
  /** Ids of images by their manifest. */
  let imageIds = new Map<string, string>();
  let revision = 0;
  const tagSubscribers = new Set<(imageId: string) => void>();

  const clientOf = (registry: string): RegistryClient => {
    const { credentials, ca, plainHttp = false } = options;
    const client = clients.get(registry) ?? createRegistryClient({ registry, credentials, ca, plainHttp, signal });
    clients.set(registry, client);
    return client;
  };
  /** Follows what runs; an image that no container runs any more is forgotten. */
  const follow = (): void => {
    const next = new Map<string, Watched>();
    const left = new Set<string>();
    const counts = new Map<string, number>();
    for (const [key, { imageId, reference }] of wantedReferences(options.running, allowed)) {
      const count = counts.get(imageId) ?? 0;
      if (count >= MAX_NAMES || next.size >= MAX_WATCHED) {
        if (left.size < MAX_WATCHED) left.add(key);
        continue;
      }
      counts.set(imageId, count + 1);
      next.set(key, watched.get(key) ?? newWatched(imageId, reference));
    }
    watched = next;
    omitted = left;
    byImage = Map.groupBy(next.values(), ({ imageId }) => imageId);
    imageIds = new Map(
      [...next.values()].flatMap(({ image }) => (image === undefined ? [] : [[image.manifest, image.id]])),
    );
  };
  /** A registry that does not answer must not keep the others waiting. */
  const note = (registry: string, answer: ReferenceAnswer): void => {
    if (answer.state !== 'unknown' || !NO_ANSWER.has(answer.code)) return void unanswered.delete(registry);
    const count = (unanswered.get(registry)?.count ?? 0) + 1;
    unanswered.set(registry, { count, untilMs: count < MAX_UNANSWERED ? 0 : clock.monotonic() + RETRY_MS });
  };
  const ask = async (one: Watched): Promise<void> => {
    const pausedUntilMs = unanswered.get(one.reference.registry)?.untilMs ?? 0;
    if (pausedUntilMs > clock.monotonic()) {
      one.dueMs = pausedUntilMs;
      one.problem ||= 'it does not answer';
      return;
    }
    const wanted = authoritiesOf(policies());
    one.authorities = wanted.map(authorityId).join('\n');
    const answer = await readReference({
      client: clientOf(one.reference.registry),
      reference: one.reference,
      imageId: one.imageId,
      authorities: wanted,
      wantsConfiguration: one.configuration?.state !== 'seen',
    });
    if (signal.aborted) return;
    note(one.reference.registry, answer);
    const before = describe(one);
    const reportedBefore = describeTag(one);
    accept(one, answer, clock.now());
    if (one.image !== undefined) imageIds.set(one.image.manifest, one.image.id);
    if (describeTag(one) !== reportedBefore) {
      const reported = one.history.reported()?.state;
      if (reported !== undefined && reported !== 'same')
        log.warn({ image: formatReference(one.reference), imageId: one.imageId, state: reported }, TAG_DRIFT);
      for (const subscriber of tagSubscribers) subscriber(one.imageId);
    }
    const waitMs = answer.state === 'unknown' ? Math.max(RETRY_MS, answer.retryAfterMs ?? 0) : intervalMs;
    one.dueMs = clock.monotonic() + jittered(Math.min(waitMs, intervalMs), 0.2, Math.random);
    if (describe(one) === before) return;
    revision += 1;
    one.revision = revision;
    onChange();
  };
  const run = async (): Promise<void> => {
    while (!signal.aborted) {
      follow();
      const authorities = authoritiesOf(policies()).map(authorityId).join('\n');
      const due = [...watched.values()].filter(
        (one) => one.dueMs <= clock.monotonic() || (one.knownMs > 0 && one.authorities !== authorities),
      );
      const queue = due.values();
      const work = async (): Promise<void> => {
        for (const one of queue) {
          if (signal.aborted) return;
          await ask(one).catch((error: unknown) => {
            one.dueMs = clock.monotonic() + RETRY_MS;
            log.error({ error }, 'a registry could not be asked');
          });
        }
      };
      await Promise.all(Array.from({ length: CONCURRENCY }, work));
      await sleep(clock, Math.min(ROUND_MS, intervalMs), signal);
    }
    for (const client of clients.values()) client.close();
  };
  const all = (imageId: string): readonly Watched[] => byImage.get(imageId) ?? [];
  return {
    factsOf: (imageId) => factsOf(all(imageId)),
    signatures: () => [...watched.values()].flatMap(signaturesOf),
    imageIdOf: (manifest) => imageIds.get(manifest),
    tagsOf: (imageId) =>
      all(imageId)
        .filter(({ reference }) => reference.digest === undefined)
        .map(tagState),
    tagOf: (imageId, image) => {
      const reference = referenceOf(image);
      if (reference === undefined || reference.digest !== undefined || !allowed.has(reference.registry))
        return undefined;
      const key = keyOf(imageId, reference);
      return reportedTag(formatReference(reference), watched.get(key), omitted.has(key));
    },
    subscribeToTags: (subscriber) => {
      tagSubscribers.add(subscriber);
      return () => tagSubscribers.delete(subscriber);
    },
    tags: () =>
      [...watched.values()].flatMap(({ reference, known, knownMs }) =>
        reference.digest !== undefined || known === undefined || known.state === 'gone'
          ? []
          : [{ reference: formatReference(reference), digest: known.digest, checkedAt: knownMs }],
      ),
    over: run(),
  };
}

const TAG_DRIFT = 'a tag does not name the image any more that runs';

function keyOf(imageId: string, reference: ImageReference): string {
  return `${imageId} ${formatReference(reference)}`;
}

/**
 * References of running containers whose registry may be asked, by key. Images of all nodes come in turn, and of each image
 * the first reference of every node, those that most nodes use first: one node cannot crowd out what others use.
 */
function wantedReferences(
  running: RegistryWatchOptions['running'],
  allowed: ReadonlySet<string>,
): ReadonlyMap<string, { readonly imageId: string; readonly reference: ImageReference }> {
  const wanted = new Map<string, { readonly imageId: string; readonly reference: ImageReference }>();
  for (const imageId of running.imageIds()) {
    const byNode = Map.groupBy(running.containersOf(imageId), ({ nodeId }) => nodeId);
    const names = new Map<string, { rank: number; nodes: number }>();
    for (const own of byNode.values())
      for (const [rank, name] of [...new Set(own.map(({ image }) => image))].entries()) {
        const known = names.get(name);
        names.set(name, { rank: Math.min(rank, known?.rank ?? rank), nodes: (known?.nodes ?? 0) + 1 });
      }
    const sorted = [...names].sort(([, one], [, other]) => one.rank - other.rank || other.nodes - one.nodes);
    for (const [name] of sorted) {
      const reference = referenceOf(name);
      if (reference !== undefined && allowed.has(reference.registry))
        wanted.set(keyOf(imageId, reference), { imageId, reference });
    }
  }
  return wanted;
}

/** What a finding says of a tag; `isOmitted`: more is running than the collector asks about. */
function reportedTag(reference: string, one: Watched | undefined, isOmitted: boolean): ReportedTag {
  const reported = one?.history.reported();
  if (reported !== undefined) return { reference, ...reported, isAsked: true };
  const reason = isOmitted ? 'the collector asks about a limited number of tags' : (one?.problem ?? '');
  return { reference, state: 'unknown', reason, isAsked: reason !== '' };
}

/** Everything that findings depend on. */
function describeTag(one: Watched): string {
  return JSON.stringify(reportedTag('', one, false));
}

/** The reference of a container; undefined where it names no registry. */
function referenceOf(name: string): ImageReference | undefined {
  const parsed = parseReference(name);
  if (!parsed.ok || (parsed.value.mayBeId && parsed.value.digest === undefined)) return undefined;
  return { ...parsed.value, registry: canonicalRegistry(parsed.value.registry) };
}

function newWatched(imageId: string, reference: ImageReference): Watched {
  return {
    imageId,
    reference,
    authorities: '',
    dueMs: -Infinity,
    known: undefined,
    knownMs: 0,
    problem: '',
    history: createTagHistory(),
    configuration: undefined,
    image: undefined,
    manifests: new Map(),
    revision: 0,
  };
}

function accept(one: Watched, answer: ReferenceAnswer, nowMs: number): void {
  if (answer.state === 'unknown') {
    one.problem = answer.reason;
    return;
  }
  one.problem = '';
  one.known = answer;
  one.knownMs = nowMs;
  one.history.add(answer, nowMs);
  if (answer.state !== 'same') return;
  if (answer.configuration !== undefined) one.configuration = answer.configuration;
  one.image ??= answer.image;
  for (const manifest of answer.manifests) one.manifests.set(manifest.digest, { ...manifest, atMs: nowMs });
}

/** Everything that decisions depend on. */
function describe({ known, problem, configuration, manifests }: Watched): string {
  const state = known?.state === 'same' || known?.state === 'moved' ? [known.state, known.digest] : [known?.state];
  const signatures = [...manifests.values()].map(({ digest, signatures: found }) => [digest, found]);
  return JSON.stringify([state, known === undefined && problem !== '', configuration?.state, signatures]);
}

function tagState({ reference, known, knownMs, problem }: Watched): TagState {
  const name = formatReference(reference);
  if (known === undefined) return { reference: name, state: 'unknown', reason: problem || 'it is not asked yet' };
  const digest = known.state === 'gone' ? {} : { digest: known.digest };
  return { reference: name, state: known.state, ...digest, checkedMs: knownMs, reason: problem };
}

function signaturesOf({ reference, manifests, revision }: Watched): readonly ManifestSignatures[] {
  return [...manifests.values()].map(({ digest, signatures, atMs }) => {
    return { digest, signatures, atMs, reference, revision: String(revision) };
  });
}

function factsOf(all: readonly Watched[]): RegistryFacts {
  const manifests = new Map<string, ImageReference[]>();
  for (const { reference, manifests: own } of all)
    for (const digest of own.keys()) manifests.set(digest, [...(manifests.get(digest) ?? []), reference]);
  const configuration = all.find((one) => one.configuration?.state === 'seen')?.configuration;
  return {
    configuration: configuration ?? all.find((one) => one.configuration)?.configuration ?? whyNot(all),
    manifests: [...manifests].map(([digest, repositories]) => ({ digest, repositories })),
    revision: all.map((one) => one.revision).join(' '),
  };
}

function whyNot(all: readonly Watched[]): Observed<never> {
  if (all.length === 0)
    return unreadable('registry', 'no registry of the image is in the setting registries, so none was asked');
  const problem = all.find((one) => one.problem !== '')?.problem;
  if (problem !== undefined) return unreadable('registry', `the registry of the image could not be asked: ${problem}`);
  return unreadable(
    'registry',
    all.some((one) => one.known !== undefined)
      ? 'its registry does not have the image that runs under that name'
      : 'its registry is not asked yet',
  );
}
