import { openVulnerabilityDatabase } from '../../image/vulndb/database.ts';
import type { VulnerabilityDatabase } from '../../image/vulndb/database.ts';
import type { SnapshotImage } from '../../policy/snapshot.ts';
import { sleep } from '../../service/clock.ts';
import type { Clock } from '../../service/clock.ts';
import { errorCode } from '../../service/files.ts';
import type { Logger } from '../../service/log.ts';
import type { RunningImages } from '../image/running-images.ts';
import type { DatabaseState } from '../image/database-keeper.ts';
import type { Issue } from '../status/collector-status.ts';
import type { ImageStore, StoredClaim } from '../store/image-store.ts';
import { gatherEvidence } from './image-evidence.ts';
import { judgeFleetImage } from './image-verdicts.ts';
import type { PolicyFiles, PolicySet } from './policy-files.ts';
import type { RegistrySource } from './registry-facts.ts';
import type { SnapshotPublisher } from './snapshot-publisher.ts';

/** Keeps the verdicts of the policies on all images of the fleet, and publishes them. */
export interface ImageJudge {
  /** Something has changed: images, policies or what registries say. */
  readonly notify: () => void;
  /** The verdicts on an image, by its id and each manifest of it; empty: it was not judged yet. */
  readonly verdictsOf: (imageId: string) => readonly SnapshotImage[];
  readonly issues: () => readonly Issue[];
  /** Resolves once the signal has aborted and nothing runs any more. */
  readonly over: Promise<void>;
}

/** What judging needs. */
export interface ImageJudgeOptions {
  readonly images: Pick<ImageStore, 'claims' | 'inventoryContent'>;
  readonly running: Pick<RunningImages, 'imageIds'>;
  readonly policies: PolicyFiles;
  readonly registries: RegistrySource;
  readonly publisher: SnapshotPublisher;
  /** File of the vulnerability database. */
  readonly path: string;
  /** The state of that database, as it was verified. */
  readonly database: () => DatabaseState;
  /** An older database proves nothing. */
  readonly maxAgeMs: number;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

interface JudgedEntry {
  /** What it was judged by. */
  readonly key: string;
  readonly judged: readonly SnapshotImage[];
  /** When it is judged again although nothing has changed: half of the time that its answers hold. */
  readonly renewMs: number;
}

const INTERVAL_MS = 15_000;
/** Between two rounds at least, however many images come. */
const PAUSE_MS = 1000;
/** Images of a snapshot; the rest is not judged, which is an issue. */
const MAX_IMAGES = 20_000;

/**
 * Judges each image when what is known about it changes: its packages, policies, the vulnerability database, what its
 * registry says. A policy file or a database that cannot be used changes nothing.
 */
export function startImageJudge(options: ImageJudgeOptions): ImageJudge {
  const { images, running, policies, registries, publisher, path, database, maxAgeMs, clock, log, signal } = options;
  let entries = new Map<string, JudgedEntry>();
  let open: { readonly database: VulnerabilityDatabase; readonly builtMs: number } | undefined;
  let published = '';
  let problem = '';
  let skipped = 0;
  let wake = Promise.withResolvers<void>();

  /** Opens the database that the matcher has verified; while there is none, the last one stays in use. */
  const refreshDatabase = (): void => {
    const { state, builtMs } = database();
    if ((state !== 'ok' && state !== 'tooOld') || builtMs === undefined || builtMs === open?.builtMs) return;
    const opened = openVulnerabilityDatabase(path);
    if (!opened.ok) return;
    if (opened.database.info.builtAt !== builtMs) return opened.database.close();
    open?.database.close();
    open = { database: opened.database, builtMs };
  };
  const judge = async (imageId: string, claims: readonly StoredClaim[], set: PolicySet): Promise<JudgedEntry> => {
    const now = clock.now();
    const facts = registries.factsOf(imageId);
    const said = claims.map(({ digest, source, problem: why, isStored }) => [digest, source, why, isStored].join(' '));
    const isTooOld = open !== undefined && now - open.builtMs > maxAgeMs;
    const key = JSON.stringify([set.revision, open?.builtMs, isTooOld, facts.revision, [...new Set(said)].sort()]);
    const before = entries.get(imageId);
    if (before?.key === key && now < before.renewMs) return before;
    const evidence = await gatherEvidence({
      images,
      claims,
      configuration: facts.configuration,
      database: open?.database,
      maxAgeMs,
      now,
    });
    const databaseValidUntil = open === undefined || isTooOld ? undefined : open.builtMs + maxAgeMs;
    const judged = judgeFleetImage(set, { imageId, manifests: facts.manifests, evidence, databaseValidUntil, now });
    await new Promise(setImmediate);
    return { key, judged, renewMs: renewalOf(judged, now) };
  };
  const run = async (): Promise<void> => {
    await policies.refresh();
    const set = policies.current();
    if (set === undefined) return;
    refreshDatabase();
    const claims = Map.groupBy(await images.claims(), ({ imageId }) => imageId);
    // Running images first: where there are too many, those are left out that no container runs.
    const ids = [...new Set([...running.imageIds(), ...claims.keys()])];
    skipped = Math.max(0, ids.length - MAX_IMAGES);
    const next = new Map<string, JudgedEntry>();
    let isChanged = published !== set.revision || entries.size !== Math.min(ids.length, MAX_IMAGES);
    for (const imageId of ids.slice(0, MAX_IMAGES)) {
      if (signal.aborted) return;
      const entry = await judge(imageId, claims.get(imageId) ?? [], set);
      isChanged ||= entry !== entries.get(imageId);
      next.set(imageId, entry);
    }
    entries = next;
    if (!isChanged) return;
    const judged = [...next.values()].flatMap((entry) => entry.judged);
    const parts = { policies: set.policies.map(({ policy }) => policy), podPolicies: set.podPolicies };
    await publisher.publish({ ...parts, images: judged, tags: registries.tags() });
    published = set.revision;
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
      await Promise.race([wake.promise, sleep(clock, INTERVAL_MS, AbortSignal.any([signal, stop.signal]))]);
      stop.abort();
      wake = Promise.withResolvers();
    }
    open?.database.close();
  };
  return {
    notify: () => wake.resolve(),
    verdictsOf: (imageId) => entries.get(imageId)?.judged ?? [],
    issues: () => [
      ...policies.issues(),
      ...(problem === '' ? [] : [snapshotIssue(`no snapshot of the image policies could be published: ${problem}`)]),
      ...(skipped === 0 ? [] : [snapshotIssue(`${String(skipped)} images are not judged: there are too many`)]),
    ],
    over: loop(),
  };
}

function snapshotIssue(text: string): Issue {
  const advice =
    'see the log of the collector; enforcers go on with the last snapshot and refuse images that it does not name';
  return { code: 'policySnapshot', subject: 'policy snapshot', text, advice };
}

function renewalOf(judged: readonly SnapshotImage[], now: number): number {
  const ends = judged.flatMap(({ verdicts }) => verdicts.flatMap(({ validUntil }) => Object.values(validUntil)));
  return ends.length === 0 ? Infinity : now + Math.max(1000, (Math.min(...ends) - now) / 2);
}
