import { SUBJECT_KINDS } from '../posture/finding.ts';
import * as s from '../posture/schema.ts';
import { control, severity, verdict } from './part.ts';

const action = s.oneOf(['opened', 'changed', 'resolved']);
/** Of `resolved`, why, where the node did not say so; null: fixed, or gone with its subject. */
const cause = s.nullable(s.oneOf(['nodeRemoved']));
const subject = s.object({ kind: s.oneOf(SUBJECT_KINDS), id: s.string(), name: s.string() });
const evidence = s.object({ source: s.string(), seen: s.string(), expected: s.string() });

/** One finding of the fleet. `reason` is null where the evidence says it all. */
export const fleetFinding = s.object({
  uid: s.string(),
  id: s.string(),
  nodeId: s.string(),
  nodeName: s.string(),
  check: s.string(),
  title: s.string(),
  verdict,
  severity,
  subject,
  evidence: s.list(evidence, '', 64),
  reason: s.nullable(s.string()),
  controls: s.list(control, '', 256),
  firstSeenMs: s.integer(),
  changedMs: s.integer(),
});
/** See {@link fleetFinding}. */
export type FleetFinding = s.Infer<typeof fleetFinding>;

/** One page of findings; `cursor` is null on the last, `total` where it was not asked for. */
export const findingPage = s.object({
  findings: s.list(fleetFinding, '', 10_000),
  cursor: s.nullable(s.string()),
  total: s.nullable(s.integer()),
});
/** See {@link findingPage}. */
export type FindingPage = s.Infer<typeof findingPage>;

/** Something that happened to a finding. `previousVerdict` is null where it is new. */
export const findingEvent = s.object({
  position: s.integer(),
  uid: s.string(),
  action,
  cause,
  atMs: s.integer(),
  previousVerdict: s.nullable(verdict),
  finding: fleetFinding,
});
/** See {@link findingEvent}. */
export type FindingEvent = s.Infer<typeof findingEvent>;

/** One entry of the history. */
export const historyEntry = s.object({
  position: s.integer(),
  atMs: s.integer(),
  action,
  cause,
  nodeId: s.string(),
  findingUid: s.string(),
  check: s.string(),
  subjectKind: s.oneOf(SUBJECT_KINDS),
  subjectName: s.string(),
  verdict,
  severity,
});
/** See {@link historyEntry}. */
export type HistoryEntry = s.Infer<typeof historyEntry>;

/** One page of history, newest first; `cursor` is null on the last. */
export const historyPage = s.object({ entries: s.list(historyEntry, '', 10_000), cursor: s.nullable(s.string()) });
/** See {@link historyPage}. */
export type HistoryPage = s.Infer<typeof historyPage>;
