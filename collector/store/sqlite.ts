import type { DatabaseSync } from 'node:sqlite';
import { prepareBacklogLimit } from './backlog-limit.ts';
import { prepareBacklogCounter } from './backlog.ts';
import { prepareCommits } from './commit.ts';
import { makeRoom, openConnection, relaxed, transaction } from './connection.ts';
import type { ActivityKind } from '../event/activity.ts';
import { prepareActivityTable } from './activity-table.ts';
import { prepareAdmittedTable } from './admitted-table.ts';
import { prepareDeadLetterTable } from './dead-letter-table.ts';
import type { DeadLetterTable } from './dead-letter-table.ts';
import type { DeadLetterStore } from './dead-letter-store.ts';
import { prepareDetectionTable } from './detection-table.ts';
import { prepareDetector } from './detector.ts';
import { prepareDenialTable } from './denial-table.ts';
import { prepareRemediationTable } from './remediation-table.ts';
import { StoreError, toStoreError } from './error.ts';
import { prepareHistory, prepareHistoryRange, prepareOutbox } from './event-query.ts';
import { prepareFindingGroups } from './finding-groups.ts';
import { prepareCounts, prepareFindingQuery } from './finding-query.ts';
import { prepareFindingBytes } from './finding-table.ts';
import { prepareRetainedEventTable } from './retained-event-table.ts';
import { prepareRefusalTable } from './refusal-table.ts';
import { prepareRemoveNode } from './remove-node.ts';
import { prepareNodeTable } from './node-table.ts';
import { prepareCursorTable, preparePrune } from './prune.ts';
import type { ReplicationState, Store } from './store.ts';
import { repairPositions } from './repair-positions.ts';
import type { RepairedPosition } from './repair-positions.ts';
import type { StoredEvent } from './stored-event.ts';
import { prepareReplicationTable } from './replication-state.ts';
import { prepareScoreTable } from './score-table.ts';
import { prepareTrend } from './trend.ts';
import { prepareVerify } from './verify.ts';
import { imageStore, prepareImages } from './sqlite-images.ts';
import type { Guarded } from './sqlite-images.ts';
import { prepareVulnerabilityEvents } from './vulnerability-events.ts';
import { NO_WAIVERS, prepareWaivedFindings } from './waived-findings.ts';
import type { FindingWaivers } from './waived-findings.ts';

/** How to open a store on SQLite. */
export interface SqliteStoreOptions {
  /** File; created with mode 0600 if it is absent. Its directory must exist. */
  readonly path: string;
  /** How long a call waits for another process that holds the file; this blocks the process. */
  readonly busyTimeoutMs?: number;
  /** Largest size of the file; a commit beyond it fails with `full`. Default: what the disk has. */
  readonly maxBytes?: number;
  /** Kinds of activities that sinks want; others are not written. Default: none. */
  readonly activities?: ReadonlySet<ActivityKind>;
  /** What accepts findings; default: nothing. */
  readonly waivers?: FindingWaivers;
  /** Called with each damaged position that was corrected: at the start, and where a commit fails because of one. */
  readonly onPositionRepaired?: (repaired: RepairedPosition) => void;
}

const DEFAULT_BUSY_TIMEOUT_MS = 500;

/**
 * The Store on one SQLite file, for one collector. Calls run to their end on this thread; a commit returns once it is
 * on the disk. Rejects with StoreError if the file cannot be used, and so does every method of the result.
 */
export async function openSqliteStore(options: SqliteStoreOptions): Promise<Store> {
  const db = openConnection({ busyTimeoutMs: DEFAULT_BUSY_TIMEOUT_MS, ...options });
  const repair = (): boolean => {
    const repaired = transaction(db, () => repairPositions(db));
    for (const each of repaired) options.onPositionRepaired?.(each);
    return repaired.length > 0;
  };
  const { commits, streams, nodes, cursors, removing, ...statements } = prepareAll(db, options);
  try {
    repair();
  } catch (error) {
    db.close();
    throw toStoreError(error, 'read the positions of the store');
  }

  const readRetained = (position: number, limit: number, sink: string): readonly StoredEvent[] => {
    const end = statements.retained.end(sink);
    if (position >= end) return [];
    const retained = statements.retained.read(sink, position, limit);
    const last = retained.at(-1)?.position ?? end;
    const replayed = statements.deadLetters.replayed(position, limit, sink).filter((event) => event.position <= last);
    return inOrder([...retained, ...replayed]).slice(0, limit);
  };
  const readOutbox = (after: number, limit: number, sink: string | undefined): readonly StoredEvent[] => {
    const retained = sink === undefined ? [] : readRetained(after, limit, sink);
    if (retained.length > 0) return retained;
    const position = sink === undefined ? after : Math.max(after, statements.retained.end(sink));
    const { events: changes, end } = statements.outbox(position, limit);
    const others = [
      ...statements.refusals.read(position, limit),
      ...statements.vulnerabilityEvents.read(position, limit),
      ...statements.denials.read(position, limit),
      ...statements.remediations.read(position, limit),
      ...statements.activities.read(position, limit),
      ...statements.detections.read(position, limit),
      ...statements.deadLetters.replayed(position, limit, sink),
    ];
    if (others.length === 0) return changes;
    return inOrder([...changes, ...others.filter((event) => event.position <= end)]).slice(0, limit);
  };
  const limitBacklog = prepareBacklogLimit(db, { ...statements, read: readOutbox });
  /** Every failure leaves as a StoreError, in the promise. */
  const guarded: Guarded = async (doing, work) => {
    if (!db.isOpen) throw new StoreError('closed', `cannot ${doing}: the store is closed`);
    try {
      return await work();
    } catch (error) {
      const failure = toStoreError(error, doing);
      if (failure.code === 'full') makeRoom(db);
      throw failure;
    }
  };

  return {
    commit: (batch) =>
      guarded('commit findings', () => {
        const apply = () => transaction(db, () => commits.apply(batch), commits.rollback);
        try {
          return apply();
        } catch (error) {
          // An event has the position already that comes next.
          if (!isConstraint(error) || !repair()) throw error;
          return apply();
        }
      }),
    putCollectorFindings: (changes) =>
      guarded('store findings of the collector', () =>
        transaction(db, () => commits.applyOwn(changes), commits.rollback),
      ),
    reviewWaivers: (terms) => guarded('review waivers', () => transaction(db, () => statements.waived.review(terms))),
    waivedCounts: () => guarded('count waived findings', statements.waived.counts),
    replicationState: (nodeId) => guarded('read the state of a node', () => toState(streams.find(nodeId))),
    putNodes: (rows) =>
      guarded('write nodes', () =>
        relaxed(db, () => {
          nodes.put(rows);
        }),
      ),
    nodes: () => guarded('read the nodes', nodes.all),
    findings: (filter) => guarded('read findings', () => statements.findings(filter)),
    findingGroups: (filter) => guarded('count findings', () => statements.findingGroups(filter)),
    counts: () => guarded('count findings', statements.counts),
    history: (filter) => guarded('read history', () => statements.history(filter)),
    historyRange: () => guarded('read the range of history', statements.historyRange),
    trend: (momentsMs) => guarded('read the trend', () => statements.trend(momentsMs)),
    putBenchmarkScores: (scores, of) =>
      guarded('write scores', () => relaxed(db, () => statements.scores.put(scores, of))),
    benchmarkScores: (benchmark, sinceMs) => guarded('read scores', () => statements.scores.since(benchmark, sinceMs)),
    outbox: (position, limit, sink) => guarded('read the outbox', () => readOutbox(position, limit, sink)),
    recordRefusals: (refusals) =>
      guarded('record refusals', () => transaction(db, () => statements.refusals.write(refusals))),
    recordRemediations: (remediations) =>
      guarded('record remediations', () => transaction(db, () => statements.remediations.write(remediations))),
    recordActivities: (activities) =>
      guarded('record activities', () => transaction(db, () => statements.activities.write(activities))),
    records: statements.activities.records,
    detections: (filter) => guarded('read detections', () => statements.detections.list(filter)),
    sweepDetections: (silent, atMs) =>
      guarded('write detections', () =>
        transaction(
          db,
          () => {
            statements.detector.sweep(silent, atMs);
            return statements.detector.finish();
          },
          statements.detector.rollback,
        ),
      ),
    recordDenials: (batch) => guarded('record denials', () => transaction(db, () => statements.denials.write(batch))),
    recordAdmissions: ({ source, receivedMs, pods }) =>
      guarded('record admissions', () =>
        transaction(db, () => {
          statements.admitted.begin(receivedMs);
          statements.admitted.write(source, pods, receivedMs);
        }),
      ),
    admissions: (uids) =>
      guarded('read admissions', () => ({
        sinceMs: statements.admitted.since(),
        pods: statements.admitted.read(uids),
      })),
    pruneAdmissions: (receivedBeforeMs, inUse) =>
      guarded('prune admissions', () => relaxed(db, () => statements.admitted.prune(receivedBeforeMs, inUse))),
    denials: (filter) => guarded('read denials', () => statements.denials.list(filter)),
    cursor: (sink) => guarded('read a cursor', () => cursors.read(sink)),
    advance: (sink, position) => guarded('move a cursor', () => relaxed(db, () => cursors.write(sink, position))),
    raisePosition: (position) =>
      guarded('raise the position', () => transaction(db, () => statements.backlogs.raisePosition(position))),
    removeNode: (nodeId, atMs) => guarded('remove a node', () => transaction(db, () => removing.apply(nodeId, atMs))),
    prune: (sinks, historyBeforeMs) =>
      guarded('prune', async () => {
        const trimmed = await statements.prune(sinks, historyBeforeMs);
        if (!db.isOpen) return trimmed;
        relaxed(db, removing.prune);
        relaxed(db, statements.refusals.prune);
        relaxed(db, statements.remediations.prune);
        relaxed(db, statements.deadLetters.prune);
        const pruneEvents = (): boolean =>
          [
            statements.vulnerabilityEvents.prune(),
            statements.denials.prune(historyBeforeMs),
            statements.activities.prune(),
            statements.detections.prune(historyBeforeMs),
          ].includes(true);
        while (relaxed(db, pruneEvents)) {
          await new Promise(setImmediate);
          if (!db.isOpen) return trimmed;
        }
        return trimmed;
      }),
    findingBytes: (nodeId) => guarded('read the findings of a node', () => statements.findingBytes(nodeId)),
    backlog: (sink) =>
      guarded('count events that wait', () => {
        const { events, position } = statements.backlogs.of(sink);
        return { events, oldestMs: events === 0 ? undefined : readOutbox(position, 1, sink)[0]?.atMs };
      }),
    dropOldest: (sink, limit) => guarded('drop events', () => limitBacklog(sink, limit)),
    deadLetters: deadLetterStore(db, statements.deadLetters, guarded),
    verify: (nodeId) => guarded('verify the findings of a node', () => statements.verify(nodeId)),
    images: imageStore(db, statements.images, guarded),
    close: () => guarded('close the store', () => (db.isOpen ? db.close() : undefined)),
  };
}

/** SQLITE_CONSTRAINT and its kinds, https://www.sqlite.org/rescode.html. */
function isConstraint(error: unknown): boolean {
  const { errcode } = error as { readonly errcode?: unknown };
  return typeof errcode === 'number' && (errcode & 0xff) === 19;
}

function inOrder(events: readonly StoredEvent[]): readonly StoredEvent[] {
  return [...events].sort((one, other) => one.position - other.position);
}

/** All statements. Throws StoreError `damaged` where the tables of the file are not ours any more. */
function prepareAll(
  db: DatabaseSync,
  { activities: recorded = new Set(), waivers = NO_WAIVERS }: Pick<SqliteStoreOptions, 'activities' | 'waivers'>,
) {
  try {
    const cursors = prepareCursorTable(db);
    const retained = prepareRetainedEventTable(db);
    const activities = prepareActivityTable(db, recorded);
    const detections = prepareDetectionTable(db);
    const detector = prepareDetector(db, detections);
    const waived = prepareWaivedFindings(db, waivers);
    return {
      activities,
      commits: prepareCommits(db, activities, { detector, waived }),
      waived,
      detections,
      detector,
      streams: prepareReplicationTable(db),
      nodes: prepareNodeTable(db, activities),
      cursors,
      retained,
      backlogs: prepareBacklogCounter(db, { cursors, retained }),
      findings: prepareFindingQuery(db),
      findingGroups: prepareFindingGroups(db),
      counts: prepareCounts(db),
      findingBytes: prepareFindingBytes(db),
      history: prepareHistory(db),
      historyRange: prepareHistoryRange(db),
      trend: prepareTrend(db),
      outbox: prepareOutbox(db),
      refusals: prepareRefusalTable(db),
      vulnerabilityEvents: prepareVulnerabilityEvents(db),
      denials: prepareDenialTable(db),
      deadLetters: prepareDeadLetterTable(db),
      admitted: prepareAdmittedTable(db),
      remediations: prepareRemediationTable(db),
      images: prepareImages(db, activities),
      scores: prepareScoreTable(db),
      prune: preparePrune(db, { cursors, retained }),
      removing: prepareRemoveNode(db, activities, detector),
      verify: prepareVerify(db),
    };
  } catch (error) {
    db.close();
    const failure = toStoreError(error, 'prepare the statements of the store');
    // SQLITE_ERROR, https://www.sqlite.org/rescode.html: a table or a column is not there.
    if ((error as { errcode?: unknown }).errcode !== 1) throw failure;
    throw new StoreError('damaged', `the schema of the file is damaged: ${failure.message}`, error);
  }
}

function deadLetterStore(db: DatabaseSync, table: DeadLetterTable, guarded: Guarded): DeadLetterStore {
  return {
    // Before the cursor passes the event: a power cut takes both back, or the cursor only.
    add: (rejected) => guarded('store dead letters', () => relaxed(db, () => table.add(rejected))),
    list: (filter) => guarded('read dead letters', () => table.list(filter)),
    find: (id) => guarded('read a dead letter', () => table.find(id)),
    counts: () => guarded('count dead letters', table.counts),
    replay: (selection, sinks) =>
      guarded('replay dead letters', () => transaction(db, () => table.replay(selection, sinks))),
    purge: (selection) => guarded('purge dead letters', () => transaction(db, () => table.purge(selection))),
  };
}

/** The state of a node that has committed something; a node that was only introduced has none. */
function toState(stream: ReturnType<ReturnType<typeof prepareReplicationTable>['find']>): ReplicationState | undefined {
  if (stream === undefined || stream.epoch === '') return undefined;
  const { epoch, sequence, digest, findings } = stream;
  return { epoch, committedSequence: sequence, digest, findings };
}
