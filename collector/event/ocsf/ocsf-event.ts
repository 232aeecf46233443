import type { Check } from '../../../posture/check/check.ts';
import type { Severity } from '../../../posture/verdict.ts';
import type { NodeRow } from '../../store/store.ts';
import type { StoredEvent } from '../../store/stored-event.ts';

/** What events say about the check of a finding. */
export type CheckTexts = Pick<Check, 'title' | 'rationale' | 'remediation' | 'references'>;

/** What an event is enriched with. */
export interface OcsfContext {
  /** Version of the collector. */
  readonly version: string;
  readonly checks: ReadonlyMap<string, CheckTexts>;
  /** The node as it is known now; undefined for one that was removed. */
  readonly node: (nodeId: string) => NodeRow | undefined;
  readonly nowMs: number;
}

/** An event as sinks write it: plain JSON. */
export type OcsfEvent = Readonly<Record<string, unknown>>;

export const SEVERITY = {
  critical: { id: 5, name: 'Critical' },
  high: { id: 4, name: 'High' },
  medium: { id: 3, name: 'Medium' },
  low: { id: 2, name: 'Low' },
  info: { id: 1, name: 'Informational' },
} as const satisfies Record<Severity, unknown>;
/** `integer_t` of OCSF is signed and has 32 bits. */
const MAX_INTEGER = 2 ** 31 - 1;

/** What happened to a finding: `activity_id` and `status_id` of the OCSF classes of findings. */
export const ACTIVITY = {
  opened: { id: 1, name: 'Create', statusId: 1, status: 'New' },
  changed: { id: 2, name: 'Update', statusId: 2, status: 'In Progress' },
  resolved: { id: 3, name: 'Close', statusId: 4, status: 'Resolved' },
} as const;

/** `status_id` of a finding that someone has accepted until a day. */
export const SUPPRESSED = { statusId: 3, status: 'Suppressed' } as const;

/** A number as `integer_t`: a larger one is the largest. */
export function integerOf(value: number): number {
  return Math.min(value, MAX_INTEGER);
}

/** `role_id` of a resource. */
export const AFFECTED = { role_id: 3, role: 'Affected' } as const;

/** A class of OCSF. */
export interface OcsfClass {
  readonly uid: number;
  readonly name: string;
  readonly category: string;
}

/** The attributes of the class of an event at `atMs`. */
export function classOf(
  { uid, name, category }: OcsfClass,
  activity: { readonly id: number; readonly name: string },
  atMs: number,
): OcsfEvent {
  return {
    activity_id: activity.id,
    activity_name: activity.name,
    category_uid: Math.floor(uid / 1000),
    category_name: category,
    class_uid: uid,
    class_name: name,
    type_uid: uid * 100 + activity.id,
    type_name: `${name}: ${activity.name}`,
    time: atMs,
  };
}

/** The attributes of the class of an event, for a change of a finding at `atMs`. */
export function findingClass(
  { uid, name }: { readonly uid: number; readonly name: string },
  activity: (typeof ACTIVITY)[keyof typeof ACTIVITY],
  atMs: number,
): OcsfEvent {
  return classOf({ uid, name, category: 'Findings' }, activity, atMs);
}

/** `severity_id` and its text. */
export function severityOf(severity: Severity): OcsfEvent {
  const { id, name } = SEVERITY[severity];
  return { severity_id: id, severity: name };
}

/** `metadata` of an event. `metadata.uid` never changes for it. */
export function metadataOf(event: StoredEvent, { version, nowMs }: Pick<OcsfContext, 'version' | 'nowMs'>): OcsfEvent {
  return {
    version: '1.8.0',
    uid: event.uid,
    ...(event.position <= MAX_INTEGER && { sequence: event.position }),
    log_name: 'plimsoll-findings',
    logged_time: nowMs,
    profiles: [],
    product: { uid: 'plimsoll', name: 'Plimsoll', vendor_name: 'Plimsoll', version },
  };
}
