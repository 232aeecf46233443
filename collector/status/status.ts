import { stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { within } from '../../service/clock.ts';
import type { Clock } from '../../service/clock.ts';
import { errorCode } from '../../service/files.ts';
import { readFreeSpace } from '../../service/free-space.ts';
import type { NodeProblem } from '../session/server.ts';
import { reportSinks, reportUnreadSinks } from '../sink/sink-report.ts';
import type { SinkReport } from '../sink/sink-report.ts';
import type { SinkStatus } from '../sink/delivery-worker.ts';
import type { QuarantinedFile } from '../store/quarantine.ts';
import type { HistoryRange, NodeRow, Store } from '../store/store.ts';
import type { WriteProblem } from '../store/write-health.ts';
import type { CollectorStatus, Issue, ListenAddresses, ProcessStatus } from './collector-status.ts';
import { judgeNodes } from './freshness.ts';
import type { NodeHealth, NodePresence } from './freshness.ts';
import { findIssues } from './find-issues.ts';

/** What a status is put together from. */
export interface StatusOptions {
  readonly version: string;
  readonly heartbeatMs: number;
  readonly store: Pick<Store, 'nodes' | 'counts' | 'findings' | 'historyRange' | 'deadLetters' | 'backlog'>;
  readonly storePath: string;
  /** Asked each time: the store knows it once it is open. */
  readonly quarantined: () => QuarantinedFile | undefined;
  /** Is the file that is open still the one at `storePath`? */
  readonly isInPlace: () => boolean;
  readonly writeProblem: () => WriteProblem | undefined;
  /** Why the last probe of the disk failed. */
  readonly diskProblem: () => string | undefined;
  /** What does not work of the operator API. */
  readonly apiIssues: () => readonly Issue[];
  readonly restoredMs: () => number | undefined;
  /** Keys and certificates that the next start needs. */
  readonly requiredFiles: readonly string[];
  readonly sinks: () => readonly SinkStatus[];
  /** Asked each time: see SessionServer. */
  readonly nodeProblems: () => readonly NodeProblem[];
  /** Asked each time: ports that the system chooses are known late. */
  readonly addresses: () => ListenAddresses;
  readonly clock: Clock;
}

/** Nodes in one answer. A fleet may have thousands; those that need a look come first. */
const MAX_LISTED = 500;
/** Deadline of reads of file attributes. */
const FILES_DEADLINE_MS = 2000;
/** SQLite keeps up to two files beside its own. */
const STORE_SUFFIXES = ['', '-wal', '-shm'];
/** The check by which an agent reports about itself. */
const BUDGET_CHECK = 'agent.resource-budget';

const UNREAD_FILES = Object.freeze({ bytes: 0, space: undefined, missingFiles: [] });

/** What the file system says about the files of the collector; a hung one can block each read in a thread of the pool. */
async function readFiles({ storePath, requiredFiles, clock }: StatusOptions) {
  const [bytes, space, missingFiles] = await Promise.all([
    within(clock, FILES_DEADLINE_MS, sizeOf(storePath), () => 0),
    within(clock, FILES_DEADLINE_MS, readFreeSpace(dirname(storePath)), () => undefined).catch(() => undefined),
    within(clock, FILES_DEADLINE_MS, findMissing(requiredFiles), () => []),
  ]);
  return { bytes, space, missingFiles };
}

/** Returns the current status of this collector. Never rejects: a failing store is part of the answer. */
export function createStatus(options: StatusOptions): () => Promise<CollectorStatus> {
  const { version, heartbeatMs, clock, sinks, addresses } = options;
  const startedMs = clock.now();
  return async () => {
    const nowMs = clock.now();
    const diskProblem = options.diskProblem();
    const [fleet, files] = await Promise.all([
      readFleet(options.store, sinks()),
      // Each read of a disk that hangs would block a thread of the pool; `diskFailing` is reported then.
      diskProblem === undefined ? readFiles(options) : UNREAD_FILES,
    ]);
    const { bytes, space, missingFiles } = files;
    const judged = judgeNodes(fleet.nodes, { nowMs, heartbeatMs, overBudget: fleet.overBudget });
    const { findings, history } = fleet;
    const writeProblem = options.writeProblem();
    const status = {
      version,
      startedMs,
      nowMs,
      addresses: addresses(),
      process: processStatus(),
      store: {
        path: options.storePath,
        bytes,
        space,
        findings,
        history,
        quarantined: options.quarantined(),
        problem: fleet.problem === '' ? (writeProblem?.message ?? '') : fleet.problem,
        writeProblem: fleet.problem === '' ? writeProblem : undefined,
        diskProblem,
        isReplaced: !options.isInPlace(),
        restoredMs: options.restoredMs(),
      },
      missingFiles,
      heartbeatMs,
      nodes: {
        ...countPresence(judged),
        total: judged.length,
        listed: judged.slice(0, MAX_LISTED),
        problems: options.nodeProblems(),
      },
      sinks: fleet.sinks,
    };
    return { ...status, issues: [...options.apiIssues(), ...findIssues(status)] };
  };
}

interface Fleet {
  readonly nodes: readonly NodeRow[];
  readonly overBudget: ReadonlySet<string>;
  readonly findings: number;
  readonly sinks: readonly SinkReport[];
  readonly history: HistoryRange | undefined;
  readonly problem: string;
}

async function readFleet(store: StatusOptions['store'], sinks: readonly SinkStatus[]): Promise<Fleet> {
  try {
    const [nodes, counts, history, over, reports] = await Promise.all([
      store.nodes(),
      store.counts(),
      store.historyRange(),
      store.findings({ checks: [BUDGET_CHECK], verdicts: ['fail'], waived: false, limit: 10_000 }),
      reportSinks(sinks, store),
    ]);
    return {
      nodes,
      history,
      sinks: reports,
      findings: counts.reduce((sum, { count }) => sum + count, 0),
      overBudget: new Set(over.findings.map(({ nodeId }) => nodeId)),
      problem: '',
    };
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error);
    return {
      nodes: [],
      overBudget: new Set(),
      findings: 0,
      sinks: reportUnreadSinks(sinks),
      history: undefined,
      problem,
    };
  }
}

function countPresence(nodes: readonly NodeHealth[]): Record<NodePresence, number> {
  const counts = { connected: 0, stale: 0, offline: 0, neverEnrolled: 0 };
  for (const { presence } of nodes) counts[presence] += 1;
  return counts;
}

async function findMissing(paths: readonly string[]): Promise<readonly string[]> {
  const isMissing = async (path: string): Promise<boolean> =>
    stat(path).then(
      () => false,
      (error: unknown) => errorCode(error) === 'ENOENT',
    );
  const missing = await Promise.all(paths.map(isMissing));
  return paths.filter((_path, index) => missing[index] === true);
}

async function sizeOf(path: string): Promise<number> {
  const sizes = STORE_SUFFIXES.map((suffix) =>
    stat(path + suffix).then(
      ({ size }) => size,
      () => 0,
    ),
  );
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
}

function processStatus(): ProcessStatus {
  const { user, system } = process.cpuUsage();
  return { pid: process.pid, rssBytes: process.memoryUsage.rss(), cpuMs: Math.round((user + system) / 1000) };
}
