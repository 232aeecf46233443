import type { DatabaseSync } from 'node:sqlite';
import { COLLECTOR_CHECK_IDS } from '../../posture/check/registry.ts';
import type { Verdict } from '../../posture/verdict.ts';
import { addToDigest, removeFromDigest } from '../../posture/digest.ts';
import type { Activity } from '../event/activity.ts';
import type { ActivityTable, TimedActivity } from './activity-table.ts';
import type { Detector } from './detector.ts';
import { prepareEventWriter } from './event-writer.ts';
import type { EventWriter, FindingChange } from './event-writer.ts';
import { prepareFindingTable } from './finding-table.ts';
import type { FindingTable, Known, KnownAt } from './finding-table.ts';
import { prepareKeys } from './key-table.ts';
import type { Keys } from './key-table.ts';
import { actionOf, fromStatusCode, isActiveStatus, isWaivedStatus } from './status-code.ts';
import { detailParts, splitFindingId, toSubject } from './row.ts';
import type { CollectorFindings, Commit, CommitResult, PackedFinding, StoredChange } from './store.ts';
import type { OutboxEvent, ResolvedBecause } from './stored-event.ts';
import { prepareReplicationTable } from './replication-state.ts';
import type { NodeStream } from './replication-state.ts';
import type { WaivedFindings } from './waived-findings.ts';

/**
 * The time of a node counts if it is not in the future and not older than this (a spool can wait long for its
 * collector). Otherwise the clock of that node is wrong, and the time of arrival counts.
 */
const MAX_OBSERVED_AGE_MS = 30 * 24 * 60 * 60 * 1000;

/** One commit on its way into the tables. */
interface Work {
  readonly table: FindingTable;
  readonly keys: Keys;
  readonly writer: EventWriter;
  readonly stream: NodeStream;
  readonly atMs: number;
  readonly changes: FindingChange[];
  readonly activities: ActivityNotes;
  readonly detector: Detector;
  readonly waived: WaivedFindings;
  /** Before the first snapshot of the node: changes that it sends earlier are of what the node had, too. */
  readonly isFirst: boolean;
  /** On the clock of the collector. */
  readonly receivedMs: number;
  /** Position of the last event of `changes`, which have consecutive positions; 0: none. */
  newest: number;
}

/** Collects activities until the events of findings are written: both share one sequence. */
interface ActivityNotes {
  readonly records: ActivityTable['records'];
  readonly note: (activity: Activity, atMs: number) => void;
}

/** What applies batches of commits. */
export interface Commits {
  /** Must be called within a transaction. */
  readonly apply: (batch: readonly Commit[]) => readonly CommitResult[];
  /** See `Store.putCollectorFindings`. Must be called within a transaction. */
  readonly applyOwn: (changes: readonly CollectorFindings[]) => readonly StoredChange[];
  /** Must be called when a transaction was rolled back. */
  readonly rollback: () => void;
}

/** Prepares the statements. */
export function prepareCommits(
  db: DatabaseSync,
  activityTable: ActivityTable,
  { detector, waived }: { readonly detector: Detector; readonly waived: WaivedFindings },
): Commits {
  const streams = prepareReplicationTable(db);
  const table = prepareFindingTable(db);
  const openWriter = prepareEventWriter(db);
  const allKeys = prepareKeys(db);
  const notesIn = (list: TimedActivity[]): ActivityNotes => ({
    records: activityTable.records,
    note: (activity, atMs) => void list.push({ activity, atMs }),
  });
  const apply = (batch: readonly Commit[]): readonly CommitResult[] => {
    const writer = openWriter();
    const keys = allKeys.open();
    const noted: TimedActivity[] = [];
    const activities = notesIn(noted);
    const results = batch.map((commit): CommitResult => {
      const stream = streams.open(commit.nodeId);
      const refusal = refusalOf(stream, commit);
      if (refusal !== undefined) return refusal;
      const work: Work = {
        table,
        keys,
        writer,
        stream,
        activities,
        detector,
        waived,
        isFirst: stream.hasSnapshot === 0,
        receivedMs: commit.receivedAtMs,
        atMs: momentOf(commit),
        changes: [],
        newest: 0,
      };
      if (commit.snapshot) applySnapshot(work, commit);
      else applyChange(work, commit);
      streams.advance(stream, commit);
      return applied(work);
    });
    keys.finish();
    writer.finish();
    const newest = activityTable.write(noted);
    return withNewest(results, detector.finish() || newest);
  };
  const selectKnown = db.prepare('SELECT 1 FROM node WHERE key = ? AND introduced');
  const applyOwn = (changes: readonly CollectorFindings[]): readonly StoredChange[] => {
    const writer = openWriter();
    const keys = allKeys.open();
    const noted: TimedActivity[] = [];
    const activities = notesIn(noted);
    const results = changes.map(({ nodeId, put, gone, atMs }): StoredChange => {
      assertOwn(put, gone);
      const stream = streams.find(nodeId);
      if (stream === undefined || selectKnown.get(stream.key) === undefined) return NOTHING;
      // The sums of the stream are those of what its node reports: they are not written back.
      const own = { isFirst: false, receivedMs: atMs, atMs, changes: [], newest: 0 };
      const work: Work = { table, keys, writer, stream, activities, detector, waived, ...own };
      applyChange(work, { put, gone });
      return applied(work);
    });
    keys.finish();
    writer.finish();
    return withNewest(results, activityTable.write(noted));
  };
  const rollback = (): void => {
    allKeys.rollback();
    detector.rollback();
  };
  return { apply, applyOwn, rollback };
}

/** The last of the results that were stored also announces the activities, which come after all events. */
function withNewest<R extends CommitResult | StoredChange>(results: readonly R[], newest: number): readonly R[] {
  if (newest === 0) return results;
  const last = results.findLastIndex((result) => result !== NOTHING && 'newest' in result);
  return results.map((result, index) => {
    if (index !== last) return result;
    // The events are made when they are read.
    return Object.defineProperty(result, 'newest', { value: newest, enumerable: true });
  });
}

const NOTHING: StoredChange = Object.freeze({ events: [], newest: 0, count: 0 });

/** Any other finding would be missing in the digest of its node. */
function assertOwn(put: readonly PackedFinding[], gone: readonly string[]): void {
  const foreign = put.find(({ check }) => !COLLECTOR_CHECK_IDS.has(check))?.check ?? gone.find((id) => !isOwn(id));
  if (foreign !== undefined) throw new Error(`${foreign} is not a finding of the collector`);
}

function isOwn(id: string): boolean {
  return COLLECTOR_CHECK_IDS.has(checkOf(id));
}

function checkOf(id: string): string {
  return id.slice(0, id.indexOf('/'));
}

/** Why a commit cannot come next; undefined if it can. A snapshot is complete, so no gap before it matters. */
function refusalOf(stream: NodeStream, commit: Commit): CommitResult | undefined {
  const sameEpoch = stream.epoch === commit.epoch;
  if (sameEpoch && commit.sequence <= stream.sequence) return { outcome: 'duplicate' };
  if (commit.snapshot) return undefined;
  if (sameEpoch && commit.sequence === stream.sequence + 1) return undefined;
  // A node that was never seen begins at its beginning: what ended before its first snapshot has a history too.
  if (stream.epoch === '' && commit.sequence === 1) return undefined;
  return { outcome: 'gap', committed: sameEpoch ? stream.sequence : 0 };
}

function momentOf({ observedAtMs, receivedAtMs }: Commit): number {
  const age = receivedAtMs - observedAtMs;
  return age >= 0 && age <= MAX_OBSERVED_AGE_MS ? observedAtMs : receivedAtMs;
}

/** Events are made of what changes when someone reads them: mostly nobody does. */
function applied({ writer, stream, changes, newest }: Work): { readonly outcome: 'applied' } & StoredChange {
  let events: readonly OutboxEvent[] | undefined;
  const before = newest - changes.length;
  return {
    outcome: 'applied',
    newest,
    count: changes.length,
    get events() {
      events ??= changes.map((change, index) => writer.read(stream, change, before + index + 1));
      return events;
    },
  };
}

function applySnapshot(work: Work, commit: Commit): void {
  const { table, keys, stream } = work;
  const known = table.allKnown(stream.key);
  // A map, so that of a finding that is named twice only the last counts.
  const whole = new Map(commit.put.map((finding) => [idOf(finding), finding]));
  // Every check answers about at least one subject, so one that answers about none is not a check of the node any more.
  const checks = new Set(commit.put.map(({ check }) => check));
  for (const id of known.keys())
    if (!whole.has(id) && !isOwn(id)) remove(work, id, checks.has(checkOf(id)) ? undefined : 'checkRemoved');
  for (const [id, finding] of whole) {
    const found = known.get(id);
    put(work, finding, found?.[3] ?? keys.make(stream.key, finding.subject, finding.check), found);
  }
  noteReport(work, commit);
}

/** What is gone goes first, so that a finding that is both gone and put remains. */
function applyChange(work: Work, commit: Pick<Commit, 'put' | 'gone'>): void {
  const { table, keys, stream } = work;
  const kept = new Set(commit.gone.length > 0 ? commit.put.map(idOf) : []);
  for (const id of commit.gone) if (!kept.has(id)) remove(work, id);
  for (const finding of commit.put) {
    const key = keys.make(stream.key, finding.subject, finding.check);
    put(work, finding, key, table.known(key));
  }
}

function idOf({ check, subject }: PackedFinding): string {
  return `${check}/${subject}`;
}

function put(work: Work, finding: PackedFinding, key: number, known: Known | KnownAt | undefined): void {
  const { table, stream, atMs, detector, waived, isFirst, receivedMs } = work;
  const { check, subject, name, hash, detail } = finding;
  if (known !== undefined && known[0] === hash) return;
  const firstSeenMs = known?.[2] ?? atMs;
  const changedMs = Math.max(atMs, firstSeenMs);
  if (detector.isWatched(check)) {
    const texts = { check, subject };
    const stored = known === undefined ? undefined : table.read(key);
    // What happened is reported, whoever accepts it.
    const row = { ...texts, statusCode: finding.statusCode, firstSeenMs, changedMs, name, detail };
    const previous = stored && { ...stored, ...texts };
    detector.observe({ key, node: stream, row, previous, isFirst }, receivedMs);
  }
  const wasWaived = known !== undefined && isWaivedStatus(known[1]);
  const before = wasWaived ? table.read(key)?.waiver : undefined;
  const decided =
    wasWaived || waived.concerns(check) ? waived.decide(stream, finding, { before, receivedMs }) : finding;
  const { statusCode, waiver } = decided;
  if (known === undefined) {
    table.insert(key, stream.key, decided, atMs);
    stream.findings += 1;
  } else {
    table.update(key, decided, changedMs, known[1]);
    stream.digest = removeFromDigest(stream.digest, known[0]);
  }
  stream.digest = addToDigest(stream.digest, hash);
  const previous = known?.[1];
  const action = actionOf(previous, statusCode);
  if (action !== undefined)
    recordChange(work, {
      action,
      atMs,
      previous,
      check,
      subject,
      statusCode,
      firstSeenMs,
      changedMs,
      name,
      detail,
      waiver: waiver ?? null,
    });
}

function recordChange(work: Work, change: FindingChange): void {
  noteConfiguration(work, change);
  work.newest = work.writer.write(work.stream, change);
  work.changes.push(change);
}

function noteReport({ stream, activities, atMs }: Work, { epoch, sequence, put: findings }: Commit): void {
  if (!activities.records('scan')) return;
  const count = (wanted: Verdict): number =>
    findings.filter(({ statusCode }) => fromStatusCode(statusCode).verdict === wanted).length;
  const { id: nodeId, name: nodeName } = stream;
  const scanId = `${epoch}-${String(sequence)}`;
  const counts = { findings: findings.length, failed: count('fail'), unknown: count('unknown') };
  activities.note({ kind: 'scan', nodeId, nodeName, scanId, ...counts }, atMs);
}

/** A setting that passed fails now, or the other way round; containers and images come and go, and are no settings. */
function noteConfiguration({ stream, activities, atMs }: Work, change: FindingChange): void {
  if (!activities.records('configuration') || change.previous === undefined) return;
  const { verdict: previous } = fromStatusCode(change.previous);
  const { verdict, severity } = fromStatusCode(change.statusCode);
  const isFlip = (verdict === 'fail' && previous === 'pass') || (verdict === 'pass' && previous === 'fail');
  const { kind: subjectKind, id: subjectId, name: subjectName } = toSubject(change);
  if (!isFlip || subjectKind === 'container' || subjectKind === 'image') return;
  const { id: nodeId, name: nodeName } = stream;
  const [title = ''] = detailParts(change.detail);
  const { check } = change;
  // prettier-ignore
  activities.note({ kind: 'configuration', nodeId, nodeName, check, title, subjectKind, subjectId, subjectName, severity, previous, verdict }, atMs);
}

function remove(work: Work, id: string, cause?: ResolvedBecause): void {
  const { table, keys, stream, atMs, detector, receivedMs } = work;
  const names = splitFindingId(id);
  const key = names === undefined ? undefined : keys.find(stream.key, names.subject, names.check);
  const stored = key === undefined ? undefined : table.read(key);
  if (names === undefined || key === undefined || stored === undefined) return;
  detector.removed(stream.key, id, receivedMs);
  table.remove(key);
  keys.removed(key);
  stream.findings -= 1;
  stream.digest = removeFromDigest(stream.digest, stored.hash);
  if (!isActiveStatus(stored.statusCode)) return;
  const { check, subject } = names;
  const { statusCode, firstSeenMs, changedMs, name, detail, waiver = null } = stored;
  const action = 'resolved';
  recordChange(work, {
    action,
    cause,
    atMs,
    previous: statusCode,
    check,
    subject,
    statusCode,
    firstSeenMs,
    changedMs,
    name,
    detail,
    waiver,
  });
}
