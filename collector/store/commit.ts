import type { DatabaseSync } from 'node:sqlite';
import { addToDigest, findingHash, removeFromDigest } from '../../posture/digest.ts';
import type { Finding } from '../../posture/finding.ts';
import { prepareEventWriter } from './event-writer.ts';
import type { EventWriter } from './event-writer.ts';
import { prepareFindingTable } from './finding-table.ts';
import type { FindingRow, FindingTable, Known } from './finding-table.ts';
import { isOpenRank, rankOf } from './rank.ts';
import { detailOf, splitFindingId, subjectText, toStoredFinding } from './row.ts';
import type { Commit, CommitResult, FindingAction, OutboxEvent } from './store.ts';
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
  readonly writer: EventWriter;
  readonly stream: NodeStream;
  readonly atMs: number;
  readonly events: OutboxEvent[];
}

/** Prepares what applies a batch of commits. The result must be called within a transaction. */
export function prepareCommits(db: DatabaseSync): (batch: readonly Commit[]) => readonly CommitResult[] {
  const streams = prepareStreamTable(db);
  const table = prepareFindingTable(db);
  const openWriter = prepareEventWriter(db);
  return (batch) => {
    const writer = openWriter();
    const results = batch.map((commit): CommitResult => {
      const stream = streams.open(commit.nodeId);
      const refusal = refusalOf(stream, commit);
      if (refusal !== undefined) return refusal;
      const work: Work = { table, writer, stream, atMs: momentOf(commit), events: [] };
      if (commit.snapshot) applySnapshot(work, commit);
      else applyChange(work, commit);
      streams.advance(stream, commit);
      return { outcome: 'applied', events: work.events };
    });
    writer.finish();
    return results;
  };
}

/** Why a commit cannot come next; undefined if it can. A snapshot is whole by itself, so it heals any gap before it. */
function refusalOf(stream: NodeStream, commit: Commit): CommitResult | undefined {
  const sameEpoch = stream.epoch === commit.epoch;
  if (sameEpoch && commit.sequence <= stream.sequence) return { outcome: 'duplicate' };
  if (commit.snapshot) return undefined;
  if (sameEpoch && commit.sequence === stream.sequence + 1) return undefined;
  return { outcome: 'gap', committed: sameEpoch ? stream.sequence : 0 };
}

function momentOf({ observedAtMs, receivedAtMs }: Commit): number {
  const age = receivedAtMs - observedAtMs;
  return age >= 0 && age <= MAX_OBSERVED_AGE_MS ? observedAtMs : receivedAtMs;
}

function applySnapshot(work: Work, commit: Commit): void {
  const known = work.table.allKnown(work.stream.key);
  // A map, so that of a finding that is named twice only the last counts.
  const whole = new Map(commit.put.map((finding) => [finding.id, finding]));
  for (const id of known.keys()) if (!whole.has(id)) remove(work, id);
  for (const finding of whole.values()) put(work, finding, known.get(finding.id));
}

/** As posture/delta.ts `apply`: what is gone first, so that a finding that is both gone and put is there in the end. */
function applyChange(work: Work, commit: Commit): void {
  const kept = new Set(commit.gone.length > 0 ? commit.put.map(({ id }) => id) : []);
  for (const id of commit.gone) if (!kept.has(id)) remove(work, id);
  for (const finding of commit.put)
    put(work, finding, work.table.known(work.stream.key, subjectText(finding.subject), finding.check));
}

function put(work: Work, finding: Finding, known: Known | undefined): void {
  const { table, stream, atMs } = work;
  const hash = findingHash(finding);
  if (known !== undefined && known[0] === hash) return;
  const firstSeenMs = known?.[2] ?? atMs;
  const row: FindingRow = {
    check: finding.check,
    subject: subjectText(finding.subject),
    rank: rankOf(finding),
    hash,
    firstSeenMs,
    changedMs: Math.max(atMs, firstSeenMs),
    name: finding.subject.name,
    detail: detailOf(finding),
  };
  if (known === undefined) {
    table.insert(stream.key, row);
    stream.findings += 1;
  } else {
    table.update(stream.key, row, known[1]);
    stream.digest = removeFromDigest(stream.digest, known[0]);
  }
  stream.digest = addToDigest(stream.digest, hash);
  const previous = known?.[1];
  const action = actionOf(previous, row.rank);
  if (action !== undefined) work.events.push(work.writer.write(stream, { action, atMs, previous, row, finding }));
}

/** What a change of rank means to people; undefined where the finding neither was nor is open. */
function actionOf(previous: number | undefined, rank: number): FindingAction | undefined {
  const wasOpen = previous !== undefined && isOpenRank(previous);
  if (isOpenRank(rank)) return wasOpen ? 'changed' : 'opened';
  return wasOpen ? 'resolved' : undefined;
}

function remove(work: Work, id: string): void {
  const { table, stream, atMs } = work;
  const key = splitFindingId(id);
  const row = key === undefined ? undefined : table.read(stream.key, key.subject, key.check);
  if (row === undefined) return;
  table.remove(stream.key, row.subject, row.check);
  stream.findings -= 1;
  stream.digest = removeFromDigest(stream.digest, row.hash);
  if (!isOpenRank(row.rank)) return;
  const finding = toStoredFinding(row, stream);
  work.events.push(work.writer.write(stream, { action: 'resolved', atMs, previous: row.rank, row, finding }));
}
