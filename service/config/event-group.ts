import { words } from './kind.ts';
import type { Kind } from './kind.ts';

/** Groups of events that a sink can get. */
export const EVENT_GROUPS = [
  'findings',
  'vulnerabilities',
  'detections',
  'refusals',
  'remediation',
  'audit',
  'lifecycle',
  'inventory',
  'configuration',
  'scans',
  'evidence',
] as const;

/** See {@link EVENT_GROUPS}. */
export type EventGroup = (typeof EVENT_GROUPS)[number];

/** What a sink gets where nothing is said: what someone may have to act on. */
export const DEFAULT_EVENT_GROUPS = 'findings,vulnerabilities,detections,refusals,remediation';

/** Groups of events, separated by commas; `all`: every group. */
export function eventGroups(): Kind<readonly EventGroup[]> {
  return words('groups of events', EVENT_GROUPS);
}

/** Groups of events that are findings. */
export function findingGroups(): Kind<readonly EventGroup[]> {
  return words('groups of findings', EVENT_GROUPS.slice(0, 3));
}
