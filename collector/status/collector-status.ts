import type { ISSUE_CODES } from '../../api/issue.ts';
import type { FreeSpace } from '../../service/free-space.ts';
import type { NodeProblem } from '../session/server.ts';
import type { SinkReport } from '../sink/sink-report.ts';
import type { QuarantinedFile } from '../store/quarantine.ts';
import type { HistoryRange } from '../store/store.ts';
import type { WriteProblem } from '../store/write-health.ts';
import type { NodeHealth, NodePresence } from './freshness.ts';

/** Where a collector listens, as text for people: `127.0.0.1:7443`. */
export interface ListenAddresses {
  readonly nodes: string;
  readonly api: string;
  /** URL of the web page; empty where it is not served. */
  readonly console: string;
}

/** How the store is doing. */
export interface StoreStatus {
  readonly path: string;
  /** Size of its files together. */
  readonly bytes: number;
  /** Undefined where the file system does not say. */
  readonly space: FreeSpace | undefined;
  readonly findings: number;
  readonly history: HistoryRange | undefined;
  readonly quarantined: QuarantinedFile | undefined;
  /** Why it could not be read just now, or written the last time; empty: it could. */
  readonly problem: string;
  /** What the problem is, where it was in writing. */
  readonly writeProblem: WriteProblem | undefined;
  /** Why the last probe of its disk failed. */
  readonly diskProblem: string | undefined;
  /** The file that is open is not the one at the path any more. */
  readonly isReplaced: boolean;
  /** Since when it is known that the store was restored from a backup. */
  readonly restoredMs: number | undefined;
}

/** How this process is doing. */
export interface ProcessStatus {
  readonly pid: number;
  readonly rssBytes: number;
  /** CPU time since the start. */
  readonly cpuMs: number;
}

/** How a collector is doing, and what does not work. */
export interface CollectorStatus {
  readonly version: string;
  readonly startedMs: number;
  /** The collector's clock, which all times here are of. */
  readonly nowMs: number;
  readonly addresses: ListenAddresses;
  readonly process: ProcessStatus;
  readonly store: StoreStatus;
  /** Files of keys and certificates that are missing, by path. */
  readonly missingFiles: readonly string[];
  readonly heartbeatMs: number;
  readonly nodes: Readonly<Record<NodePresence, number>> & {
    readonly total: number;
    /** Worst first, at most 500. */
    readonly listed: readonly NodeHealth[];
    /** What sessions show of nodes that their agents cannot know. */
    readonly problems: readonly NodeProblem[];
  };
  readonly sinks: readonly SinkReport[];
  readonly issues: readonly Issue[];
}

/** One of {@link ISSUE_CODES}. */
export type IssueCode = (typeof ISSUE_CODES)[number];

/** Something that does not work. */
export interface Issue {
  readonly code: IssueCode;
  /** The node by name, the sink by name, or the path of the store. */
  readonly subject: string;
  /** What is wrong, for people. */
  readonly text: string;
  /** What to do about it. */
  readonly advice: string;
}
