import type { StepState } from '../../api/rollout.ts';
import type { DenialRecord } from '../../policy/denial-record.ts';
import type { Verdict } from '../../posture/verdict.ts';
import type { DetectionEvent } from '../detection/detection.ts';
import type { ActivityEvent } from '../event/activity.ts';
import type { VulnerabilityEvent } from './image-store.ts';
import type { StoredFinding } from './store.ts';

/** opened: first seen, or seen again; changed: says something else; resolved: fixed or gone with its subject. */
export type FindingAction = 'opened' | 'changed' | 'resolved';

/**
 * Why a finding is resolved, where its subject has nothing to do with it. nodeRemoved: the node was removed from the
 * collector; checkRemoved: the node has no such check any more, so the finding is neither fixed nor gone.
 */
export type ResolvedBecause = 'nodeRemoved' | 'checkRemoved';

/** One thing that happened to a finding, and what sinks ship. `uid` is unique and stays the same when sent again. */
export interface OutboxEvent {
  /** Counts up by at least one an event, over all nodes. */
  readonly position: number;
  readonly uid: string;
  readonly action: FindingAction;
  /** Only of `resolved`, and mostly absent: what a node reports needs no other cause. */
  readonly cause?: ResolvedBecause;
  readonly atMs: number;
  readonly finding: StoredFinding;
  /** The verdict before; undefined for a finding that is new. */
  readonly previousVerdict?: Verdict;
  /** Its title and evidence were lost in a damaged store; the finding says so. */
  readonly isIncomplete?: true;
}

/** What was refused: a join token, a service-account token, the renewal of a certificate, or a session. */
export type RefusedOperation = 'enroll' | 'attest' | 'renew' | 'session';

/** A request of a node that the collector refused. */
export interface Refusal {
  readonly operation: RefusedOperation;
  /** The node that the sender proved or claimed to be; empty: unknown. */
  readonly nodeId: string;
  /** Address of the sender. */
  readonly address: string;
  readonly reason: string;
  readonly atMs: number;
  /** Further refusals before this one that have no event. */
  readonly suppressed: number;
}

/** A refusal in the outbox. It is no history, and leaves the store once every sink has it. */
export interface RefusalEvent extends Refusal {
  readonly position: number;
  readonly uid: string;
}

/** A denial in the outbox. `atMs`: when it was received. */
export interface DenialEvent {
  readonly position: number;
  readonly uid: string;
  readonly atMs: number;
  readonly source: string;
  readonly reporter: string;
  readonly denial: DenialRecord;
}

/** Anything in the outbox. `isReplay`: one sink rejected it before, and only this sink gets it again. */
export type StoredEvent = (
  OutboxEvent | RefusalEvent | VulnerabilityEvent | DenialEvent | RemediationEvent | ActivityEvent | DetectionEvent
) & { readonly isReplay?: true };

/** Is this a change of a finding? */
export function isFindingEvent(event: StoredEvent): event is OutboxEvent {
  return 'finding' in event;
}

/** Is this a change of a vulnerability of a package version? */
export function isVulnerabilityEvent(event: StoredEvent): event is VulnerabilityEvent {
  return 'vulnerability' in event;
}

/** A step of a remediation, such as a rollout. `id` is the same for all steps of one. */
export interface Remediation {
  readonly id: string;
  readonly stepId: string;
  readonly policy: string;
  readonly action: string;
  readonly state: StepState;
  readonly note: string;
  readonly workload: {
    readonly kind: string;
    readonly namespace: string;
    readonly name: string;
    readonly uid: string;
  };
  /** Who reported it. */
  readonly by: string;
  readonly atMs: number;
}

/** A step of a remediation in the outbox. It leaves the store once every sink has it. */
export interface RemediationEvent {
  readonly position: number;
  readonly uid: string;
  readonly atMs: number;
  readonly remediation: Remediation;
}

/** Is this a step of a remediation? */
export function isRemediationEvent(event: StoredEvent): event is RemediationEvent {
  return 'remediation' in event;
}

/** Is this a detection? */
export function isDetectionEvent(event: StoredEvent): event is DetectionEvent {
  return 'detection' in event;
}

/** Is this an activity, which is recorded for sinks only? */
export function isActivityEvent(event: StoredEvent): event is ActivityEvent {
  return 'activity' in event;
}

/** Is this a request that violated a policy? */
export function isDenialEvent(event: StoredEvent): event is DenialEvent {
  return 'denial' in event;
}
