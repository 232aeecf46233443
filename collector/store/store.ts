import type { Finding, Subject, SubjectKind } from '../../posture/finding.ts';
import type { Severity, Verdict } from '../../posture/verdict.ts';
import type { FindingWaiver } from '../../policy/waiver.ts';
import type { AdmittedPod } from '../../policy/admitted-pod.ts';
import type { DenialRecord, DenialOutcome, EnforcingProgram } from '../../policy/denial-record.ts';
import type { ActivityKind } from '../event/activity.ts';
import type { TimedActivity } from './activity-table.ts';
import type { DroppedEvents } from './backlog-limit.ts';
import type { DetectionFilter, DetectionPage } from './detection-table.ts';
import type { SilentNode } from './detector.ts';
import type { TrimmedHistory } from './event-share-table.ts';
import type { DeadLetterStore } from './dead-letter-store.ts';
import type { ImageStore } from './image-store.ts';
import type { BenchmarkScore, DayScore } from './score-table.ts';
import type {
  DenialEvent,
  FindingAction,
  OutboxEvent,
  Refusal,
  Remediation,
  ResolvedBecause,
  StoredEvent,
} from './stored-event.ts';

/**
 * The `Store` port: the fleet's posture and its history. `commit` is one transaction over a batch: findings, history
 * and outbox events are stored together or not at all. Rows are keyed by (node, check, subject).
 */
export interface Store {
  /** Applies a batch in order, in one transaction. The answer has one entry a commit. Rejects if nothing was stored. */
  readonly commit: (batch: readonly Commit[]) => Promise<readonly CommitResult[]>;
  /**
   * Applies changes of the findings that the collector itself makes about nodes with an agent, in one transaction. They
   * are apart from what the nodes report: no digest counts them, and no snapshot of a node removes them. Nothing is
   * stored for a node that was never seen or was removed. The answer has one entry a change.
   */
  readonly putCollectorFindings: (changes: readonly CollectorFindings[]) => Promise<readonly StoredChange[]>;
  /**
   * Decides again which findings waivers accept, in one transaction: at most `limit` findings after `after`. `next`: where
   * it continues; undefined: nothing is left.
   */
  readonly reviewWaivers: (terms: WaiverReview) => Promise<ReviewedWaivers>;
  /** How many findings each waiver accepts, by its name. */
  readonly waivedCounts: () => Promise<ReadonlyMap<string, number>>;
  /** What is known of one node's session state; undefined for a node that was never seen. */
  readonly replicationState: (nodeId: string) => Promise<ReplicationState | undefined>;
  /** Stores what is known of these nodes, in one transaction. */
  readonly putNodes: (nodes: readonly NodeRow[]) => Promise<void>;
  readonly nodes: () => Promise<readonly NodeRow[]>;
  /**
   * Removes a node, in one transaction: its findings go, each open one with a `resolved` event of the cause
   * `nodeRemoved` at `atMs`, and then it is one that was never seen. Its history stays as long as other history.
   * Undefined: there is no such node.
   */
  readonly removeNode: (nodeId: string, atMs: number) => Promise<RemovedNode | undefined>;
  /** Findings that match, worst first, then by check and subject; at most `limit`, continued by `cursor`. */
  readonly findings: (filter: FindingFilter) => Promise<FindingPage>;
  /** Findings that match, counted by what they have in common, worst group first; at most `limit`. */
  readonly findingGroups: (filter: FindingGroupFilter) => Promise<readonly FindingGroup[]>;
  /** How many findings there are by node, verdict and severity. */
  readonly counts: () => Promise<readonly CountRow[]>;
  /** What happened to findings, newest first. */
  readonly history: (filter: HistoryFilter) => Promise<HistoryPage>;
  /** How far back history goes; undefined without history. */
  readonly historyRange: () => Promise<HistoryRange | undefined>;
  /**
   * How many findings failed or were unknown at each of these moments (wall clock, ascending, at most 500). A moment
   * counts to the end of the minute that it lies in; one that begins a minute counts what came before.
   */
  readonly trend: (momentsMs: readonly number[]) => Promise<Trend>;
  /** Stores the scores of benchmarks over `nodes` nodes; they replace those of the same day (UTC). */
  readonly putBenchmarkScores: (
    scores: readonly BenchmarkScore[],
    of: { readonly atMs: number; readonly nodes: number },
  ) => Promise<void>;
  /** The scores of a benchmark from `sinceMs` on: one a day, oldest first. */
  readonly benchmarkScores: (benchmark: string, sinceMs: number) => Promise<readonly DayScore[]>;
  /**
   * Outbox events after `position`, oldest first; of events that are replayed those of `sink`, or of all without it. Of
   * large events fewer than `limit` at a time, at least one; empty: no event waits.
   */
  readonly outbox: (position: number, limit: number, sink?: string) => Promise<readonly StoredEvent[]>;
  /** Adds events about refused requests to the outbox. Resolves to the newest position. */
  readonly recordRefusals: (refusals: readonly Refusal[]) => Promise<number>;
  /**
   * Adds denials that an enforcing program reports, in one transaction with their events; those that its source has
   * reported before are skipped. `full`: too many of this source wait for the sinks, nothing was stored.
   */
  readonly recordDenials: (batch: DenialBatch) => Promise<RecordedDenials>;
  /** Adds pods that an admission webhook reports as admitted. The first call, also without pods, is the begin. */
  readonly recordAdmissions: (batch: AdmissionBatch) => Promise<void>;
  /** What was reported of the pods with these uids; when the first report was received, undefined: never. */
  readonly admissions: (uids: readonly string[]) => Promise<Admissions>;
  /** Deletes records that were received before this time, but for those of pods that are in use. */
  readonly pruneAdmissions: (receivedBeforeMs: number, inUse: ReadonlySet<string>) => Promise<void>;
  /** Adds events about steps of remediations to the outbox. Resolves to the newest position. */
  readonly recordRemediations: (remediations: readonly Remediation[]) => Promise<number>;
  /**
   * Adds activities to the outbox; those of kinds that no sink wants are left out. Resolves to the newest position, 0:
   * nothing was written.
   */
  readonly recordActivities: (activities: readonly TimedActivity[]) => Promise<number>;
  /** Detections that match, newest first; at most `limit`, continued by `cursor`. */
  readonly detections: (filter: DetectionFilter) => Promise<DetectionPage>;
  /**
   * Adds a detection for each silence that has none, and one for those that had no event of their own. Resolves to the
   * newest position, 0: nothing was written.
   */
  readonly sweepDetections: (silent: readonly SilentNode[], atMs: number) => Promise<number>;
  /** Is this kind of activity written to the outbox? */
  readonly records: (kind: ActivityKind) => boolean;
  /** Denials that match, the last received first; at most `limit` (1,000), continued by `cursor`. */
  readonly denials: (filter: DenialFilter) => Promise<DenialPage>;
  /** Position up to which a sink has delivered; 0 for a new sink. */
  readonly cursor: (sink: string) => Promise<number>;
  readonly advance: (sink: string, position: number) => Promise<void>;
  /** Positions of later events come after `position`. Resolves to the newest position before the call. */
  readonly raisePosition: (position: number) => Promise<number>;
  /**
   * Deletes outbox events that every listed sink has passed, history older than `historyBeforeMs`, and the oldest of nodes
   * that have more of it than they may. Resolves to what these had too much.
   */
  readonly prune: (sinks: readonly string[], historyBeforeMs: number) => Promise<readonly TrimmedHistory[]>;
  /** Bytes of the texts of all findings of a node. Reads all of them. */
  readonly findingBytes: (nodeId: string) => Promise<number>;
  /**
   * Holds every row of a node against the hash that was stored with it, and their sum against the node's digest. Where
   * they differ (a damaged file), the rows are marked and the node has no state any more, so that it is asked for all
   * its findings; what it then sends replaces what was damaged. `sound`: nothing was changed. Undefined: no such node.
   */
  readonly verify: (nodeId: string) => Promise<Verification | undefined>;
  /** How many events wait for a sink, and when the oldest of them happened. */
  readonly backlog: (sink: string) => Promise<{ readonly events: number; readonly oldestMs: number | undefined }>;
  /**
   * Drops the oldest events of the nodes with the most, so that at most `limit` wait for a sink; one with more than
   * 4 KiB of title and evidence counts as several. Undefined: no more than that wait.
   */
  readonly dropOldest: (sink: string, limit: number) => Promise<DroppedEvents | undefined>;
  /** Events that sinks rejected. */
  readonly deadLetters: DeadLetterStore;
  /** The images that nodes run, with their packages and vulnerabilities. */
  readonly images: ImageStore;
  readonly close: () => Promise<void>;
}

/** What a verification of a node's rows found. */
export type Verification = 'sound' | 'repaired';

/** One delta of one node, whole. */
export interface Commit {
  readonly nodeId: string;
  readonly epoch: string;
  readonly sequence: number;
  /** True: `put` is the node's whole state. */
  readonly snapshot: boolean;
  readonly put: readonly PackedFinding[];
  readonly gone: readonly string[];
  readonly observedAtMs: number;
  readonly receivedAtMs: number;
}

/** Changes of what the collector itself finds about one node; `put` and `gone` as in a Commit. */
export interface CollectorFindings {
  readonly nodeId: string;
  /** Only of the checks in `COLLECTOR_CHECK_IDS`. */
  readonly put: readonly PackedFinding[];
  readonly gone: readonly string[];
  readonly atMs: number;
}

/** Which findings a review of waivers decides about. */
export interface WaiverReview {
  readonly after?: ReviewPlace;
  readonly limit: number;
  readonly atMs: number;
}

/** A finding in the order of a review. */
export interface ReviewPlace {
  readonly statusCode: number;
  readonly node: number;
  readonly key: number;
}

/** See `Store.reviewWaivers`. */
export interface ReviewedWaivers {
  readonly change: StoredChange;
  readonly next: ReviewPlace | undefined;
}

/** `events`, `newest` and `count` as in an applied {@link CommitResult}. */
export interface StoredChange {
  readonly events: readonly OutboxEvent[];
  readonly newest: number;
  readonly count: number;
}

/**
 * A finding as the store takes it, made by `packFinding` (row.ts) where it comes in: a fifth of the objects of a Finding,
 * which matters while thousands wait.
 */
export interface PackedFinding {
  readonly check: string;
  /** `kind/id`. */
  readonly subject: string;
  /** Name of the subject. */
  readonly name: string;
  /** Verdict and severity, see status-code.ts. */
  readonly statusCode: number;
  /** `findingHash`, see posture/digest.ts. */
  readonly hash: number;
  /** The rest of it, see row.ts. */
  readonly detail: string;
  /** JSON of the waiver that accepts it, see waived-findings.ts; absent where it comes in. */
  readonly waiver?: string;
}

/**
 * `applied`: stored; `events` are the changes that it made, in order (none if nothing differed), made when they are read;
 * `newest` is the position of the last one, 0 without events; `count` says how many there are.
 * `duplicate`: this sequence was already committed; nothing was done.
 * `gap`: sequences are missing before it; nothing was done, the node must resync.
 */
export type CommitResult =
  | ({ readonly outcome: 'applied' } & StoredChange)
  | { readonly outcome: 'duplicate' }
  | { readonly outcome: 'gap'; readonly committed: number };

/**
 * What a node had that was removed. `findings`: how many; `resolved`: how many of them were open, each with one of
 * `events`, in order, made when they are read; `newest`: the newest position that it wrote, 0 without events.
 */
export interface RemovedNode {
  readonly findings: number;
  readonly resolved: number;
  readonly events: readonly OutboxEvent[];
  readonly newest: number;
}

/** The replication state of a node. `digest` is over all its stored findings (posture/digest.ts). */
export interface ReplicationState {
  readonly epoch: string;
  readonly committedSequence: number;
  readonly digest: number;
  readonly findings: number;
}

/** A node as the collector knows it. */
export interface NodeRow {
  readonly id: string;
  readonly name: string;
  readonly agentVersion: string;
  readonly operatingSystem: string;
  readonly kernelRelease: string;
  readonly architecture: string;
  readonly cpus: number;
  readonly memoryBytes: number;
  readonly runtime: string;
  readonly securityModules: string;
  readonly containers: readonly NodeContainer[];
  readonly firstSeenMs: number;
  readonly lastSeenMs: number;
  readonly connected: boolean;
  /** When the node was last lost; 0 while connected or if never. */
  readonly offlineSinceMs: number;
  /** Resident memory and CPU time of the agent, from its last heartbeat. */
  readonly agentRssBytes: number;
  readonly agentCpuMs: number;
  /** Deltas that the agent had to drop, from its last heartbeat. */
  readonly dropped: number;
}

/** A running container of a node. */
export interface NodeContainer {
  readonly id: string;
  readonly name: string;
  readonly image: string;
  readonly imageId: string;
  readonly startedAt: string;
  /** Uid, namespace and name of its pod; absent: outside of pods, or its sandbox. */
  readonly podUid?: string;
  readonly namespace?: string;
  readonly pod?: string;
}

/** A finding as stored. `uid` is unique in the fleet and never changes for (node, check, subject). */
export interface StoredFinding extends Finding {
  readonly uid: string;
  readonly nodeId: string;
  readonly nodeName: string;
  readonly firstSeenMs: number;
  /** When its content last changed. */
  readonly changedMs: number;
  /** The waiver that accepts it; undefined: none does. */
  readonly waiver?: FindingWaiver;
}

/** Which findings. Lists are alternatives, fields are combined; an absent field matches all. */
export interface FindingFilter {
  readonly nodes?: readonly string[];
  readonly checks?: readonly string[];
  readonly verdicts?: readonly Verdict[];
  readonly severities?: readonly Severity[];
  /** Only findings that a waiver accepts, or only the others. */
  readonly waived?: boolean;
  /** Names of waivers that accept them. */
  readonly waivers?: readonly string[];
  readonly subjectKinds?: readonly SubjectKind[];
  /** Subject id or name, exactly. */
  readonly subject?: string;
  /** At most 16 words, each found in check, title, subject name, reason or evidence; case does not matter. */
  readonly text?: string;
  /** At most 10,000. */
  readonly limit: number;
  readonly cursor?: string;
  /** Also count all that match, on every page. */
  readonly counted?: boolean;
}

/**
 * One page. `cursor` is there if more follow; `total` if it was asked for, and if it takes no reading of every row: a
 * text or a subject is counted only where one page holds all that match.
 */
export interface FindingPage {
  readonly findings: readonly StoredFinding[];
  readonly cursor?: string;
  readonly total?: number;
}

/** How many findings have a verdict and a severity. Those that a waiver accepts have a count of their own. */
export interface StatusCount {
  readonly verdict: Verdict;
  readonly severity: Severity;
  readonly waived?: true;
  readonly count: number;
}

/** A count of the findings of a node. */
export interface CountRow extends StatusCount {
  readonly nodeId: string;
}

/** Which findings are counted, and by what. `subject`: a container, image … of one node. */
export interface FindingGroupFilter extends Omit<FindingFilter, 'cursor' | 'counted'> {
  readonly by: 'check' | 'node' | 'subject';
}

/** Findings that have something in common: the check, the node, or node and subject. */
export interface FindingGroup {
  readonly check?: string;
  readonly nodeId?: string;
  readonly nodeName?: string;
  readonly subject?: Subject;
  /** Only counts that are not 0. */
  readonly statusCounts: readonly StatusCount[];
}

/** Pods that an admission webhook reports as admitted. */
export interface AdmissionBatch {
  /** The operator token that they were reported with. */
  readonly source: string;
  readonly receivedMs: number;
  readonly pods: readonly StoredAdmission[];
}

/** A report about a pod. `isOlder`: of the collector itself, about a pod that ran before the first report. */
export interface StoredAdmission extends AdmittedPod {
  readonly isOlder?: true;
}

/** See `Store.admissions`. */
export interface Admissions {
  readonly sinceMs: number | undefined;
  readonly pods: readonly StoredAdmission[];
}

/** Denials as an enforcing program reports them. */
export interface DenialBatch {
  /** The operator token that they were reported with. */
  readonly source: string;
  /** What the reporter calls itself. */
  readonly reporter: string;
  readonly receivedMs: number;
  readonly denials: readonly DenialRecord[];
}

/** What became of a batch. `newest`: the newest position of the outbox. */
export type RecordedDenials =
  { readonly outcome: 'stored'; readonly stored: number; readonly newest: number } | { readonly outcome: 'full' };

/** Which denials. Lists are alternatives, fields are combined; an absent field matches all. */
export interface DenialFilter {
  /** Ids that the reporters chose. */
  readonly ids?: readonly string[];
  readonly programs?: readonly EnforcingProgram[];
  readonly outcomes?: readonly DenialOutcome[];
  readonly namespace?: string;
  /** Received at this time or later. */
  readonly sinceMs?: number;
  readonly limit: number;
  readonly cursor?: string;
}

/** One page of denials. */
export interface DenialPage {
  readonly denials: readonly DenialEvent[];
  readonly cursor?: string;
}

/** Which history. */
export interface HistoryFilter {
  readonly nodes?: readonly string[];
  readonly findingUid?: string;
  /** Id or name of the subject, exactly; only together with `nodes`. */
  readonly subject?: string;
  readonly sinceMs?: number;
  readonly limit: number;
  readonly cursor?: string;
}

/** When the oldest and the newest entry of history happened. */
export interface HistoryRange {
  readonly oldestMs: number;
  readonly newestMs: number;
}

/** One entry of history. */
export interface HistoryEntry {
  readonly position: number;
  readonly atMs: number;
  readonly action: FindingAction;
  /** As in an OutboxEvent. */
  readonly cause?: ResolvedBecause;
  readonly nodeId: string;
  readonly findingUid: string;
  readonly check: string;
  readonly subjectKind: SubjectKind;
  readonly subjectName: string;
  readonly verdict: Verdict;
  readonly severity: Severity;
  /** The waiver that accepted it then; undefined: none. */
  readonly waiver?: FindingWaiver;
}

/** Counts over time. */
export interface Trend {
  /** Moments before this have no true counts: the first thing that was stored, or what retention has kept; 0: none. */
  readonly knownFromMs: number;
  /** One for each moment. */
  readonly points: readonly TrendPoint[];
}

/** Findings at one moment. */
export interface TrendPoint {
  readonly atMs: number;
  /** Findings with the verdict fail. */
  readonly failures: Readonly<Record<Severity, number>>;
  /** Findings with the verdict unknown. */
  readonly unknown: number;
}

/** One page of history. */
export interface HistoryPage {
  readonly entries: readonly HistoryEntry[];
  readonly cursor?: string;
}
