import type { SubjectKind } from '../../posture/finding.ts';
import type { Severity, Verdict } from '../../posture/verdict.ts';
import type { AuditRecord } from '../../api/audit.ts';
import type { NodeRow } from '../store/store.ts';

/*
 * What the collector records beside findings, vulnerabilities and denials, for sinks that want it. An activity is written
 * in the transaction of what it reports, and only while a sink wants its kind. It leaves the store once every sink has it.
 */

/** The node that an activity is about, as it was called then. */
export interface OfNode {
  readonly nodeId: string;
  readonly nodeName: string;
}

/** A call of the operator API that changed something or was refused. */
export interface ApiCall {
  readonly kind: 'audit';
  readonly record: Omit<AuditRecord, 'phase'>;
  /** Further refused calls before this one that have no event. */
  readonly suppressed: number;
}

/** A collector started or stopped; an agent was installed, updated or removed. */
export interface LifecycleChange {
  readonly kind: 'lifecycle';
  readonly change: 'install' | 'update' | 'remove' | 'start' | 'stop';
  readonly program: 'plimsoll-agent' | 'plimsoll-collector';
  readonly version: string;
  /** Only of an update. */
  readonly previousVersion?: string;
  /** Only of an agent. */
  readonly node?: OfNode;
}

/** Attributes of a node that was seen for the first time, or whose attributes changed. */
export interface DeviceInventory {
  readonly kind: 'device';
  readonly node: DeviceAttributes;
}

/** See {@link DeviceInventory}. */
export type DeviceAttributes = Pick<NodeRow, (typeof DEVICE_ATTRIBUTES)[number]>;

/** What of a node is inventory: the rest changes all the time. */
export const DEVICE_ATTRIBUTES = [
  'id',
  'name',
  'agentVersion',
  'operatingSystem',
  'kernelRelease',
  'architecture',
  'cpus',
  'memoryBytes',
  'runtime',
  'securityModules',
] as const satisfies readonly (keyof NodeRow)[];

/** The packages of an image, once for each distinct inventory. */
export interface SoftwareInventory extends OfNode {
  readonly kind: 'software';
  readonly imageId: string;
  /** SHA-256 of the inventory, hex. */
  readonly digest: string;
  readonly distribution: string;
  readonly packages: number;
  /** The first {@link MAX_COMPONENTS}. */
  readonly components: readonly SoftwareComponent[];
}

/** A package of an image. */
export interface SoftwareComponent {
  readonly name: string;
  readonly version: string;
  readonly type: string;
}

/** Components in one event; `packages` counts all. */
export const MAX_COMPONENTS = 200;

/** A check of a node, a daemon, a file or a listener that passed fails now, or the other way round. */
export interface ConfigurationChange extends OfNode {
  readonly kind: 'configuration';
  readonly check: string;
  readonly title: string;
  readonly subjectKind: SubjectKind;
  readonly subjectId: string;
  readonly subjectName: string;
  readonly severity: Severity;
  readonly previous: Verdict;
  readonly verdict: Verdict;
}

/** A node has reported all its findings, as it does after the start of its agent and when it is asked for them. */
export interface ScanReport extends OfNode {
  readonly kind: 'scan';
  /** The same for one report. */
  readonly scanId: string;
  readonly findings: number;
  readonly failed: number;
  readonly unknown: number;
}

/** The answer of one node to a live query. */
export interface LiveEvidence extends OfNode {
  readonly kind: 'evidence';
  readonly queryId: string;
  readonly expression: string;
  /** Who asked. */
  readonly by: string;
  readonly outcome: 'ok' | 'error' | 'timeout' | 'offline';
  readonly rows: number;
  readonly truncated: boolean;
  /** The value as JSON; absent: no value, or one larger than {@link MAX_EVIDENCE_BYTES}. */
  readonly value?: string;
}

/** Longest JSON text of an answer in an event. */
export const MAX_EVIDENCE_BYTES = 8 * 1024;

/** Events that one sink does not get, because too many waited for it. */
export interface EventDrop {
  readonly kind: 'drop';
  readonly sink: string;
  readonly events: number;
  /** The node that lost most of them. */
  readonly most?: { readonly nodeId: string; readonly events: number };
}

/** Anything that the collector records for sinks only. */
export type Activity =
  | ApiCall
  | LifecycleChange
  | DeviceInventory
  | SoftwareInventory
  | ConfigurationChange
  | ScanReport
  | LiveEvidence
  | EventDrop;

/** What sets one kind of activity apart. */
export type ActivityKind = Activity['kind'];

/** An activity in the outbox. */
export interface ActivityEvent {
  readonly position: number;
  readonly uid: string;
  readonly atMs: number;
  readonly activity: Activity;
}
