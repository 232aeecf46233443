import { SUBJECT_KINDS } from '../posture/finding.ts';
import * as s from '../posture/schema.ts';
import { control, count, counts, severity, time, verdict } from './part.ts';

const action = s.oneOf(
  ['opened', 'changed', 'resolved'],
  'opened: first seen, seen again, or no longer waived; changed: also by a waiver; resolved: fixed, or gone with its subject',
);
const cause = s.nullable(
  s.oneOf(['nodeRemoved', 'checkRemoved']),
  'of `resolved`: nodeRemoved, the node was removed; checkRemoved, the node has no such check any more; absent: fixed, or gone with its subject',
);
/** Kind of what is judged. */
export const subjectKind = s.oneOf(SUBJECT_KINDS);
const subject = s.object({
  kind: subjectKind,
  id: s.string('stable within its kind on the node: full container id, image digest, path'),
  name: s.string('for people'),
});
const evidence = s.object({
  source: s.string('where it was read: `/proc/4121/status`'),
  seen: s.string('what was read'),
  expected: s.string('what was expected instead'),
});

/** What accepts a finding. */
export const findingWaiver = s.object({
  name: s.string(),
  owner: s.string('who answers for it'),
  reason: s.string('why the finding is accepted'),
  expires: s.string('the last day (UTC) on which it applies: `2027-03-31`'),
});
const waiver = s.nullable(findingWaiver, 'the waiver that accepts the finding; absent: none does');

/** What can be asked about waivers: `open`, findings that no waiver accepts; `waived`, the others. */
export const FINDING_STATES = ['open', 'waived'] as const;
/** See {@link FINDING_STATES}. */
export type FindingState = (typeof FINDING_STATES)[number];

/** One finding of the fleet. `reason` is null for a pass. */
export const fleetFinding = s.object({
  uid: s.string('unique in the fleet; never changes for (node, check, subject)'),
  id: s.string('unique on the node: `check/kind/subject id`'),
  nodeId: s.string(),
  nodeName: s.string(),
  check: s.string(),
  title: s.string('what is wrong where the check fails, what holds where it passes; otherwise no claim, with a prefix'),
  verdict,
  severity,
  subject,
  evidence: s.list(evidence, '', 64),
  reason: s.nullable(
    s.string(),
    'one sentence: what a failure means, or why it is unknown, manual or not applicable; absent for a pass',
  ),
  waiver,
  controls: s.list(control, 'benchmark controls that the check answers', 256),
  firstSeenMs: time('when it was first seen'),
  changedMs: time('when its content, or its waiver, last changed'),
});
/** See {@link fleetFinding}. */
export type FleetFinding = s.Infer<typeof fleetFinding>;

/** One page of findings; `cursor` is null on the last, `total` where it was not asked for. */
export const findingPage = s.object({
  findings: s.list(fleetFinding, '', 10_000),
  cursor: s.nullable(s.string(), 'present if more follow: pass it as `cursor`'),
  total: s.nullable(
    count(),
    'all that match: with `total=true`, and with `text` or `subject` only where one page holds all',
  ),
});
/** See {@link findingPage}. */
export type FindingPage = s.Infer<typeof findingPage>;

/** What findings can be grouped by. */
export const GROUP_BY = ['check', 'node', 'container', 'image'] as const;
/** See {@link GROUP_BY}. */
export type GroupBy = (typeof GROUP_BY)[number];

/** Findings that have something in common. Which of the fields have a value depends on what they are grouped by. */
export const findingGroup = s.object({
  check: s.nullable(s.string()),
  nodeId: s.nullable(s.string()),
  nodeName: s.nullable(s.string()),
  subject: s.nullable(subject, 'the container'),
  image: s.nullable(s.object({ id: s.string(), name: s.string('reference that a container was started from') })),
  counts,
});
/** See {@link findingGroup}. */
export type FindingGroup = s.Infer<typeof findingGroup>;

/** Groups, worst first. */
export const findingGroups = s.object({
  groups: s.list(findingGroup, '', 10_000),
  more: s.boolean('there are more groups, or (by image) more subjects than were counted'),
});
/** See {@link findingGroups}. */
export type FindingGroups = s.Infer<typeof findingGroups>;

/** Something that happened to a finding. `previousVerdict` is null where it is new. */
export const findingEvent = s.object({
  position: count('position in the outbox; also the id of the event'),
  uid: s.string('unique; stays the same when the event is sent again'),
  action,
  cause,
  atMs: time('when'),
  previousVerdict: s.nullable(verdict),
  finding: fleetFinding,
});
/** See {@link findingEvent}. */
export type FindingEvent = s.Infer<typeof findingEvent>;

/** One entry of the history. */
export const historyEntry = s.object({
  position: count('grows with time'),
  atMs: time('when'),
  action,
  cause,
  nodeId: s.string(),
  findingUid: s.string(),
  check: s.string(),
  subjectKind,
  subjectName: s.string(),
  verdict,
  severity,
  waiver: s.nullable(findingWaiver, 'the waiver that accepted it then; absent: none did'),
});
/** See {@link historyEntry}. */
export type HistoryEntry = s.Infer<typeof historyEntry>;

/** One page of history, newest first; `cursor` is null on the last. */
export const historyPage = s.object({
  entries: s.list(historyEntry, '', 10_000),
  cursor: s.nullable(s.string(), 'present if more follow: pass it as `cursor`'),
});
