import type { DatabaseSync } from 'node:sqlite';
import { addToDigest, removeFromDigest } from '../../posture/digest.ts';
import { prepareEventWriter } from './event-writer.ts';
import type { EventWriter, Happening } from './event-writer.ts';
import { prepareFindingTable } from './finding-table.ts';
import type { FindingTable, Known, KnownAt } from './finding-table.ts';
import { prepareKeys } from './key-table.ts';
import type { Keys } from './key-table.ts';
import { isOpenRank } from './rank.ts';
import { splitFindingId } from './row.ts';
import type { Commit, CommitResult, FindingAction, OutboxEvent, PackedFinding } from './store.ts';
import { prepareStreamTable } from './stream-table.ts';
import type { NodeStream } from './stream-table.ts';

/**
 * A node's word on when it saw something is taken if that is not in the future and not older than this (a spool can
 * wait long for its collector). Otherwise the clock of that node is wrong, and the time of arrival counts.
 */
const MAX_OBSERVED_AGE_MS = 30 * 24 * 60 * 60 * 1000;

/** One commit on its way into the tables. */
interface Work {
  readonly table: FindingTable;
  readonly keys: Keys;
  readonly writer: EventWriter;
  readonly stream: NodeStream;
  readonly atMs: number;
  readonly happened: Happening[];
  /** Position of the last event of `happened`, which stand one after the other; 0: none. */
  newest: number;
}

/** What applies batches of commits. */
export interface Commits {
  /** Must be called within a transaction. */
  readonly apply: (batch: readonly Commit[]) => readonly CommitResult[];
  /** Must be called when a transaction was taken back. */
  readonly forget: () => void;
}

/** Prepares the statements. */
export function prepareCommits(db: DatabaseSync): Commits {
  const streams = prepareStreamTable(db);
  const table = prepareFindingTable(db);
  const openWriter = prepareEventWriter(db);
  const allKeys = prepareKeys(db);
  const apply = (batch: readonly Commit[]): readonly CommitResult[] => {
    const writer = openWriter();
    const keys = allKeys.open();
    const results = batch.map((commit): CommitResult => {
      const stream = streams.open(commit.nodeId);
      const refusal = refusalOf(stream, commit);
      if (refusal !== undefined) return refusal;
      const work: Work = { table, keys, writer, stream, atMs: momentOf(commit), happened: [], newest: 0 };
      if (commit.snapshot) applySnapshot(work, commit);
      else applyChange(work, commit);
      streams.advance(stream, commit);
      return applied(work);
    });
    keys.finish();
    writer.finish();
    return results;
  };
  return { apply, forget: allKeys.forget };
}

/** Why a commit cannot come next; undefined if it can. A snapshot is whole by itself, so it heals any gap before it. */
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

/** Events are made of what happened when someone reads them: mostly nobody does. */
function applied({ writer, stream, happened, newest }: Work): CommitResult {
  let events: readonly OutboxEvent[] | undefined;
  const before = newest - happened.length;
  return {
    outcome: 'applied',
    newest,
    count: happened.length,
    get events() {
      events ??= happened.map((happening, index) => writer.read(stream, happening, before + index + 1));
      return events;
    },
  };
}

function applySnapshot(work: Work, commit: Commit): void {
  const { table, keys, stream } = work;
  const known = table.allKnown(stream.key);
  // A map, so that of a finding that is named twice only the last counts.
  const whole = new Map(commit.put.map((finding) => [idOf(finding), finding]));
  for (const id of known.keys()) if (!whole.has(id)) remove(work, id);
  for (const [id, finding] of whole) {
    const found = known.get(id);
    put(work, finding, found?.[3] ?? keys.make(stream.key, finding.subject, finding.check), found);
  }
}

/** As posture/delta.ts `apply`: what is gone first, so that a finding that is both gone and put is there in the end. */
function applyChange(work: Work, commit: Commit): void {
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
  const { table, stream, atMs } = work;
  const { check, subject, name, rank, hash, detail } = finding;
  if (known !== undefined && known[0] === hash) return;
  const firstSeenMs = known?.[2] ?? atMs;
  const changedMs = Math.max(atMs, firstSeenMs);
  if (known === undefined) {
    table.insert(key, stream.key, finding, atMs);
    stream.findings += 1;
  } else {
    table.update(key, finding, changedMs, known[1]);
    stream.digest = removeFromDigest(stream.digest, known[0]);
  }
  stream.digest = addToDigest(stream.digest, hash);
  const previous = known?.[1];
  const action = actionOf(previous, rank);
  if (action !== undefined)
    happen(work, { action, atMs, previous, check, subject, rank, firstSeenMs, changedMs, name, detail });
}

function happen(work: Work, happening: Happening): void {
  work.newest = work.writer.write(work.stream, happening);
  work.happened.push(happening);
}

/** What a change of rank means to people; undefined where the finding neither was nor is open. */
function actionOf(previous: number | undefined, rank: number): FindingAction | undefined {
  const wasOpen = previous !== undefined && isOpenRank(previous);
  if (isOpenRank(rank)) return wasOpen ? 'changed' : 'opened';
  return wasOpen ? 'resolved' : undefined;
}

function remove(work: Work, id: string): void {
  const { table, keys, stream, atMs } = work;
  const names = splitFindingId(id);
  const key = names === undefined ? undefined : keys.find(stream.key, names.subject, names.check);
  const stored = key === undefined ? undefined : table.read(key);
  if (names === undefined || key === undefined || stored === undefined) return;
  table.remove(key);
  keys.removed(key);
  stream.findings -= 1;
  stream.digest = removeFromDigest(stream.digest, stored.hash);
  if (!isOpenRank(stored.rank)) return;
  const { check, subject } = names;
  const { rank, firstSeenMs, changedMs, name, detail } = stored;
  const action = 'resolved';
  happen(work, { action, atMs, previous: rank, check, subject, rank, firstSeenMs, changedMs, name, detail });
}
