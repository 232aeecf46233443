import { openVulnerabilityDatabase } from '../../image/vulndb/database.ts';
import type { VulnerabilityDatabase } from '../../image/vulndb/database.ts';
import { mapObserved, unreadable } from '../../posture/observed.ts';
import type { ImagePolicy } from '../../policy/image-policy.ts';
import { formatReference } from '../../policy/reference.ts';
import type { ImageReference } from '../../policy/reference.ts';
import type { SnapshotNodes } from '../../policy/node-posture.ts';
import type { SnapshotImage } from '../../policy/snapshot.ts';
import type { Distribution } from '../../vulnerability/package.ts';
import { sleep } from '../../service/clock.ts';
import type { Clock } from '../../service/clock.ts';
import { errorCode } from '../../service/files.ts';
import type { Logger } from '../../service/log.ts';
import { imageIdsOf } from '../image/running-images.ts';
import type { RunningImages } from '../image/running-images.ts';
import type { DatabaseState } from '../image/database-keeper.ts';
import type { Issue } from '../status/collector-status.ts';
import type { ImageStore } from '../store/image-store.ts';
import { accountsOf, completeEvidence, lacksScan } from './image-evidence.ts';
import type { FleetEvidence } from './image-evidence.ts';
import type { ImageScans } from './image-scans.ts';
import { listKnownImages, tagsOf } from './known-images.ts';
import type { KnownImage } from './known-images.ts';
import type { FleetAnnotations } from '../image/suppression-review.ts';
import { indexAnnotations } from '../../vulnerability/annotation-index.ts';
import { judgeFleetImage } from './image-verdicts.ts';
import type { Annotating, IndexedPolicy } from './image-verdicts.ts';
import type { NodePostureSource } from './node-posture.ts';
import type { PolicyFiles, PolicySet } from './policy-files.ts';
import type { RegistrySource } from './registry-facts.ts';
import type { SnapshotPublisher } from './snapshot-publisher.ts';

/** Keeps the verdicts of the policies on all images of the fleet, and publishes them. */
export interface ImageJudge {
  /** Something has changed: images, policies or what registries say. */
  readonly notify: () => void;
  /** The verdicts on an image, by its id and each manifest of it; empty: it was not judged yet. */
  readonly verdictsOf: (imageId: string) => readonly SnapshotImage[];
  /** The policies that `verdictsOf` judges by; undefined: nothing was judged yet. */
  readonly judgedBy: () => readonly ImagePolicy[] | undefined;
  /** Calls `subscriber` with each name of an image whose verdicts differ, times aside. Returns what ends that. */
  readonly subscribeToVerdicts: (subscriber: (imageId: string) => void) => () => void;
  /** What is known of an image that was scanned on request; undefined: it is not judged yet. */
  readonly scanOf: (reference: ImageReference) => JudgedScan | undefined;
  /** When security updates of a distribution end, in milliseconds since the epoch; undefined: it is not known. */
  readonly endOfLifeOf: (distribution: Distribution) => number | undefined;
  readonly issues: () => readonly Issue[];
  /** Resolves once the signal has aborted and nothing runs any more. */
  readonly over: Promise<void>;
}

/** An image that was scanned on request: the verdicts on it, and what they were made from. */
export interface JudgedScan {
  readonly digest: string;
  readonly judged: readonly SnapshotImage[];
  readonly evidence: Pick<FleetEvidence, 'inventory' | 'database' | 'vulnerabilities' | 'distribution'>;
}

/** What judging needs. */
export interface ImageJudgeOptions {
  readonly images: Pick<ImageStore, 'claims' | 'inventoryContent' | 'scans' | 'scanContent'>;
  readonly running: Pick<RunningImages, 'imageIds'>;
  readonly policies: PolicyFiles;
  readonly registries: RegistrySource;
  /** VEX statements and waivers for all policies; undefined: they are not read yet. */
  readonly annotations: () => FleetAnnotations | undefined;
  /** Images that were scanned on request. */
  readonly scans: Pick<ImageScans, 'scanned'>;
  readonly publisher: SnapshotPublisher;
  /** Nodes of the cluster, for pod policies with a condition on them; undefined: there is no cluster. */
  readonly nodePosture: NodePostureSource | undefined;
  /** File of the vulnerability database. */
  readonly path: string;
  /** The state of that database, as it was verified. */
  readonly database: () => DatabaseState;
  /** An older database proves nothing. */
  readonly maxAgeMs: number;
  /** How long a tag that was scanned is taken to name what it named then. */
  readonly tagAgeMs: number;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/** Policies with their index, made once for all images. */
interface IndexedSet extends Pick<PolicySet, 'policies' | 'podPolicies' | 'containerPolicies' | 'revision'> {
  readonly indexed: readonly IndexedPolicy[];
}

interface JudgedEntry {
  /** What it was judged by. */
  readonly key: string;
  readonly judged: readonly SnapshotImage[];
  /** Of an image that was scanned since the start. */
  readonly scan?: Omit<JudgedScan, 'digest'>;
  /** When it is judged again although nothing has changed: half of the time that its answers hold. */
  readonly renewMs: number;
}

const SEVERAL = 'nodes do not say the same about its packages';
const INTERVAL_MS = 15_000;
/** Between two rounds at least, however many images come. */
const PAUSE_MS = 1000;
/** Images of a snapshot; the rest is not judged, which is an issue. */
const MAX_IMAGES = 20_000;
/** The posture of nodes is published again after this time, so that its age stays below what policies allow. */
const POSTURE_MS = 60_000;

/**
 * Judges each image when what is known about it changes: its packages, policies, the vulnerability database, what its
 * registry says. A policy file or a database that cannot be used changes nothing.
 */
export function startImageJudge(options: ImageJudgeOptions): ImageJudge {
  const { images, running, policies, registries, scans, publisher, path, database, maxAgeMs, clock, log, signal } =
    options;
  let indexed: IndexedSet | undefined;
  let entries = new Map<string, JudgedEntry>();
  /** Verdicts by each id that nodes or scans use: an index can name several images. */
  let byName: ReadonlyMap<string, readonly SnapshotImage[]> = new Map();
  let scannedImages = new Map<string, { readonly id: string; readonly digest: string }>();
  let open: { readonly database: VulnerabilityDatabase; readonly builtMs: number } | undefined;
  let published = '';
  let publishedTags = '';
  /** Posture of nodes that was published last, without times, and when. */
  let posture = { key: '', atMs: -Infinity };
  let problem = '';
  let skipped = 0;
  /** Images that the snapshot has no room for. */
  let leftOut = 0;
  let judgedBy: { readonly revision: string; readonly policies: readonly ImagePolicy[] } | undefined;
  const subscribers = new Set<(imageId: string) => void>();
  let wake = Promise.withResolvers<void>();

  /** Opens the database that the matcher has verified; until one is verified, the last one stays in use. */
  const refreshDatabase = (): void => {
    const { state, builtMs } = database();
    if ((state !== 'ok' && state !== 'tooOld') || builtMs === undefined || builtMs === open?.builtMs) return;
    const opened = openVulnerabilityDatabase(path);
    if (!opened.ok) return;
    if (opened.database.info.builtAt !== builtMs) return opened.database.close();
    open?.database.close();
    open = { database: opened.database, builtMs };
  };
  /** The policies with what suppresses vulnerabilities, as both are now; undefined: one of them is not known. */
  const currentSet = (): IndexedSet | undefined => {
    const [set, fleet] = [policies.current(), options.annotations()];
    if (set === undefined || fleet === undefined) return undefined;
    const revision = `${set.revision} ${fleet.revision}`;
    if (indexed?.revision !== revision) indexed = indexPolicies(set, fleet, revision);
    return indexed;
  };
  const judge = async (image: KnownImage, set: IndexedSet): Promise<JudgedEntry> => {
    const now = clock.now();
    const isTooOld = open !== undefined && now - open.builtMs > maxAgeMs;
    const key = JSON.stringify([set.revision, open?.builtMs, isTooOld, image.revision]);
    const before = entries.get(image.id);
    if (before?.key === key && now < before.renewMs) return before;
    const found = await accountsOf(image, images);
    const { manifests, configuration } = image;
    const context = { configuration, database: open?.database, maxAgeMs, now };
    const accounts = found.map(({ listed, ...one }) => ({ ...one, evidence: completeEvidence(listed, context) }));
    const endMs = open === undefined ? undefined : open.builtMs + maxAgeMs;
    const databaseValidUntil = endMs !== undefined && now <= endMs ? endMs : undefined;
    const isUnscanned = lacksScan(image, found);
    const judged = judgeFleetImage(set.indexed, { manifests, accounts, isUnscanned, databaseValidUntil, now });
    await new Promise(setImmediate);
    const renewMs = renewalOf(judged, now);
    if (image.scannedReferences.size === 0) return { key, judged, renewMs };
    const [only] = accounts.length === 1 ? accounts : [];
    const evidence = only?.evidence ?? completeEvidence(unreadable('nodes', SEVERAL), context);
    const { inventory, vulnerabilities, distribution } = evidence;
    // The packages themselves would be most of the memory.
    const known = mapObserved(inventory, (one) => ({ ...one, packages: [] }));
    const kept = { inventory: known, database: evidence.database, vulnerabilities, distribution };
    return { key, judged, renewMs, scan: { judged, evidence: kept } };
  };
  const run = async (): Promise<void> => {
    await policies.refresh();
    const set = currentSet();
    if (set === undefined) return;
    refreshDatabase();
    const all = await images.claims();
    const claims = Map.groupBy(all, ({ imageId }) => imageId);
    // Running images first: where there are too many, those are left out that no container runs.
    const ids = imageIdsOf(running, all);
    skipped = Math.max(0, ids.length - MAX_IMAGES);
    const found = listKnownImages({
      ids: ids.slice(0, MAX_IMAGES),
      claims,
      registries,
      scanned: scans.scanned(),
      stored: await images.scans(),
    });
    const next = new Map<string, JudgedEntry>();
    let isChanged = published !== set.revision || entries.size !== found.length;
    for (const image of found) {
      if (signal.aborted) return;
      const entry = await judge(image, set);
      isChanged ||= entry !== entries.get(image.id);
      next.set(image.id, entry);
    }
    byName = verdictsByName(found, next);
    scannedImages = new Map(
      found.flatMap(({ id, scannedReferences }) =>
        [...scannedReferences].map(([reference, digest]) => [reference, { id, digest }]),
      ),
    );
    const isSame = judgedBy?.revision === set.revision;
    const changed = found.filter(({ id }) => !isSame || !saySame(entries.get(id)?.judged, next.get(id)?.judged));
    entries = next;
    if (!isSame) judgedBy = { revision: set.revision, policies: set.policies.map(({ policy }) => policy) };
    for (const name of new Set(changed.flatMap(namesOf))) for (const subscriber of subscribers) subscriber(name);
    const nodes = set.podPolicies.some((one) => one.nodes !== null) ? await options.nodePosture?.read() : undefined;
    const key = postureKey(nodes);
    const tags = tagsOf(registries.tags(), scans.scanned(), clock.now() - options.tagAgeMs);
    const tagsKey = JSON.stringify(tags.map(({ reference, digest }) => [reference, digest]));
    isChanged ||= tagsKey !== publishedTags;
    isChanged ||= key !== posture.key || (nodes !== undefined && clock.monotonic() - posture.atMs >= POSTURE_MS);
    if (!isChanged) return;
    const judged = [...next.values()].flatMap((entry) => entry.judged);
    const { podPolicies, containerPolicies } = set;
    const sets = { policies: set.policies.map(({ policy }) => policy), podPolicies, containerPolicies };
    leftOut = await publisher.publish({ ...sets, images: judged, tags, nodes });
    published = set.revision;
    publishedTags = tagsKey;
    posture = { key, atMs: clock.monotonic() };
  };
  const loop = async (): Promise<void> => {
    while (!signal.aborted) {
      try {
        await run();
        problem = '';
      } catch (error) {
        problem = errorCode(error);
        published = '';
        log.warn({ error }, 'images could not be judged by the policies; it is tried again');
      }
      await sleep(clock, PAUSE_MS, signal);
      const stop = new AbortController();
      const waitMs = Math.max(0, Math.min(INTERVAL_MS, firstEndMs(entries.values()) + 1 - clock.now()));
      await Promise.race([wake.promise, sleep(clock, waitMs, AbortSignal.any([signal, stop.signal]))]);
      stop.abort();
      wake = Promise.withResolvers();
    }
    open?.database.close();
  };
  return {
    notify: () => wake.resolve(),
    judgedBy: () => judgedBy?.policies,
    subscribeToVerdicts: (subscriber) => {
      subscribers.add(subscriber);
      return () => subscribers.delete(subscriber);
    },
    verdictsOf: (imageId) => byName.get(imageId) ?? NO_VERDICTS,
    scanOf: (reference) => {
      const scanned = scannedImages.get(formatReference(reference));
      const judged = scanned === undefined ? undefined : entries.get(scanned.id)?.scan;
      return scanned === undefined || judged === undefined ? undefined : { ...judged, digest: scanned.digest };
    },
    endOfLifeOf: (distribution) => {
      const maintenance = open?.database.source.maintenance(distribution);
      return maintenance?.extendedUntil ?? maintenance?.endOfLifeAt;
    },
    issues: () => [
      ...policies.issues(),
      ...(problem === '' ? [] : [snapshotIssue(`no snapshot of the image policies could be published: ${problem}`)]),
      ...(skipped === 0 ? [] : [snapshotIssue(`${String(skipped)} images are not judged: there are too many`)]),
      ...(leftOut === 0 ? [] : [snapshotIssue(`the snapshot has no room for ${String(leftOut)} images`)]),
    ],
    over: loop(),
  };
}

const NO_VERDICTS: readonly SnapshotImage[] = Object.freeze([]);

/** What enforcers, nodes and scans call an image. */
function namesOf({ id, names, scannedReferences }: KnownImage): readonly string[] {
  return [id, ...names, ...scannedReferences.values()];
}

/** As in a snapshot: the id of an index leads to the verdicts on every image that it names. */
function verdictsByName(
  found: readonly KnownImage[],
  entries: ReadonlyMap<string, JudgedEntry>,
): ReadonlyMap<string, readonly SnapshotImage[]> {
  const byName = new Map<string, readonly SnapshotImage[]>();
  for (const image of found) {
    const own = entries.get(image.id)?.judged ?? NO_VERDICTS;
    for (const name of new Set(namesOf(image))) {
      const known = byName.get(name);
      byName.set(name, known === undefined ? own : [...known, ...own]);
    }
  }
  return byName;
}

/** The same while nothing changes but the times. */
function postureKey(nodes: SnapshotNodes | undefined): string {
  if (nodes === undefined) return '';
  return JSON.stringify([
    nodes.isComplete,
    nodes.nodes.map(({ name, labels, seenAt, failed, unknown }) => [name, labels, seenAt === 0, failed, unknown]),
  ]);
}

function snapshotIssue(text: string): Issue {
  const advice =
    'see the log of the collector; enforcers go on with the last snapshot and refuse images that it does not name';
  return { code: 'policySnapshot', subject: 'policy snapshot', text, advice };
}

function indexPolicies(set: PolicySet, fleet: FleetAnnotations, revision: string): IndexedSet {
  const ofFleet = indexAnnotations(fleet.statements, fleet.waivers);
  const indexed = set.policies.map(({ policy, annotations: own }): IndexedPolicy => {
    const ofPolicy = indexAnnotations(own.statements, own.waivers);
    return { policy, annotationsAbout: (found) => joined(ofPolicy.about(found), ofFleet.about(found)) };
  });
  const { policies, podPolicies, containerPolicies } = set;
  return { policies, podPolicies, containerPolicies, revision, indexed };
}

function joined(one: Annotating, other: Annotating): Annotating {
  return { statements: [...one.statements, ...other.statements], waivers: [...one.waivers, ...other.waivers] };
}

/** When the first answer does not hold any more. */
function firstEndMs(entries: Iterable<JudgedEntry>): number {
  let first = Infinity;
  for (const { judged } of entries) for (const end of endsOf(judged)) first = Math.min(first, end);
  return first;
}

/** Whether verdicts on an image differ in nothing but times. */
function saySame(one: readonly SnapshotImage[] = [], other: readonly SnapshotImage[] = []): boolean {
  return one === other || said(one) === said(other);
}

function said(judged: readonly SnapshotImage[]): string {
  return JSON.stringify(
    judged.map(({ digests, verdicts }) => [
      digests,
      verdicts.map(({ policy, repository, reasons, omitted }) => [policy, repository, reasons, omitted]),
    ]),
  );
}

function endsOf(judged: readonly SnapshotImage[]): readonly number[] {
  return judged.flatMap(({ verdicts }) => verdicts.flatMap(({ validUntil }) => Object.values(validUntil)));
}

function renewalOf(judged: readonly SnapshotImage[], now: number): number {
  const ends = endsOf(judged);
  return ends.length === 0 ? Infinity : now + Math.max(1000, (Math.min(...ends) - now) / 2);
}
