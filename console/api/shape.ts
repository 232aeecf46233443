import { SUBJECT_KINDS } from '../../posture/finding.ts';
import * as s from '../../posture/schema.ts';
import { SEVERITIES, VERDICTS } from '../../posture/verdict.ts';
import type { Severity, Verdict } from '../../posture/verdict.ts';

/*
 * What the operator API answers, as far as the page uses it. Everything that comes over the network passes these
 * before it is believed; fields that are not named here are dropped.
 */

const verdict = s.oneOf(VERDICTS);
const severity = s.oneOf(SEVERITIES);
const action = s.oneOf(['opened', 'changed', 'resolved']);
const subject = s.object({ kind: s.oneOf(SUBJECT_KINDS), id: s.string(), name: s.string() });
const evidence = s.object({ source: s.string(), seen: s.string(), expected: s.string() });
const control = s.object({ benchmark: s.string(), control: s.string() });

/** One finding of the fleet. */
export const finding = s.object({
  uid: s.string(),
  id: s.string(),
  nodeId: s.string(),
  nodeName: s.string(),
  check: s.string(),
  title: s.string(),
  verdict,
  severity,
  subject,
  evidence: s.list(evidence, '', 256),
  reason: s.nullable(s.string()),
  controls: s.list(control, '', 256),
  firstSeenMs: s.integer(),
  changedMs: s.integer(),
});
/** See {@link finding}. */
export type Finding = s.Infer<typeof finding>;

/** One page of findings; `cursor` is null on the last, `total` where it was not asked for. */
export const findingPage = s.object({
  findings: s.list(finding, '', 10_000),
  cursor: s.nullable(s.string()),
  total: s.nullable(s.integer()),
});
/** See {@link findingPage}. */
export type FindingPage = s.Infer<typeof findingPage>;

/** Something that happened to a finding. */
export const findingEvent = s.object({
  position: s.integer(),
  uid: s.string(),
  action,
  atMs: s.integer(),
  previousVerdict: s.nullable(verdict),
  finding,
});
/** See {@link findingEvent}. */
export type FindingEvent = s.Infer<typeof findingEvent>;

/** One entry of the history. */
export const historyEntry = s.object({
  position: s.integer(),
  atMs: s.integer(),
  action,
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
/** One page of history. */
export const historyPage = s.object({ entries: s.list(historyEntry, '', 10_000) });

const counts = s.object({
  verdicts: s.object(eachOf<Verdict>(VERDICTS)),
  failures: s.object(eachOf<Severity>(SEVERITIES)),
});
/** Findings by verdict, and failures by severity. */
export type Counts = s.Infer<typeof counts>;

const nodeFields = {
  id: s.string(),
  name: s.string(),
  agentVersion: s.string(),
  operatingSystem: s.string(),
  kernelRelease: s.string(),
  architecture: s.string(),
  cpus: s.integer(),
  memoryBytes: s.integer(),
  runtime: s.string(),
  securityModules: s.string(),
  containerCount: s.integer(),
  connected: s.boolean(),
  firstSeenMs: s.integer(),
  lastSeenMs: s.integer(),
  offlineSinceMs: s.integer(),
  agentRssBytes: s.integer(),
  agentCpuMs: s.integer(),
  dropped: s.integer(),
};
/** A node as events tell it. */
export const nodeState = s.object(nodeFields);
/** See {@link nodeState}. */
export type NodeState = s.Infer<typeof nodeState>;
/** A node with its counts. */
export const fleetNode = s.object({ ...nodeFields, counts });
/** See {@link fleetNode}. */
export type FleetNode = s.Infer<typeof fleetNode>;
/** All nodes. */
export const nodeList = s.object({ nodes: s.list(fleetNode, '', 100_000) });
/** A node with its containers as they were last reported. */
export const nodeDetail = s.object({
  ...nodeFields,
  counts,
  containers: s.list(
    s.object({ id: s.string(), name: s.string(), image: s.string(), imageId: s.string(), startedAt: s.string() }),
    '',
    10_000,
  ),
});
/** See {@link nodeDetail}. */
export type NodeDetail = s.Infer<typeof nodeDetail>;

/** The fleet at a glance. */
export const summary = s.object({
  version: s.string(),
  nodes: s.object({ total: s.integer(), connected: s.integer(), offline: s.integer() }),
  counts,
});
/** See {@link summary}. */
export type Summary = s.Infer<typeof summary>;

/** A check, as documentation. */
export const check = s.object({
  id: s.string(),
  title: s.string(),
  severity,
  judges: s.string(),
  needs: s.list(s.string(), '', 64),
  rationale: s.string(),
  remediation: s.string(),
  references: s.list(s.string(), '', 64),
  controls: s.list(control, '', 256),
});
/** See {@link check}. */
export type Check = s.Infer<typeof check>;
/** All checks. */
export const checkList = s.object({ checks: s.list(check, '', 10_000) });

/** Something that does not work. `subject`: a node or a sink by name, or the path of the store. */
export const trouble = s.object({ code: s.string('', 64), subject: s.string(), text: s.string(), advice: s.string() });
/** See {@link trouble}. */
export type Trouble = s.Infer<typeof trouble>;
/** How the collector is doing; only what does not work is shown. */
export const collectorStatus = s.object({ troubles: s.list(trouble, '', 10_000) });

/** One node's answer to a query. Which fields are there depends on `outcome`. */
export const queryAnswer = s.object({
  outcome: s.oneOf(['ok', 'error', 'timeout', 'offline']),
  nodeId: s.string(),
  nodeName: s.string(),
  value: s.unknown(),
  rows: s.withDefault(s.integer(), 0),
  truncated: s.withDefault(s.boolean(), false),
  unread: s.withDefault(s.list(s.string(), '', 1000), []),
  error: s.withDefault(s.string(), ''),
  deadlineMs: s.withDefault(s.integer(), 0),
  sinceMs: s.withDefault(s.integer(), 0),
});
/** See {@link queryAnswer}. */
export type QueryAnswer = s.Infer<typeof queryAnswer>;
/** The answers of all nodes that were asked. */
export const queryAnswers = s.object({ answers: s.list(queryAnswer, '', 100_000) });

/** Open findings over time. */
export const trend = s.object({
  fromMs: s.integer(),
  toMs: s.integer(),
  stepMs: s.integer(),
  knownFromMs: s.integer(),
  points: s.list(
    s.object({ atMs: s.integer(), failures: s.object(eachOf<Severity>(SEVERITIES)), unknown: s.integer() }),
    '',
    1000,
  ),
});
/** See {@link trend}. */
export type Trend = s.Infer<typeof trend>;

/** A field of the facts, for completion. */
export const factField = s.object({ path: s.string(), type: s.string(), description: s.string() });
/** See {@link factField}. */
export type FactField = s.Infer<typeof factField>;
/** All fields. */
export const factList = s.object({ facts: s.list(factField, '', 10_000) });

/** A session that was signed in to. */
export const session = s.object({ token: s.string('', 4096), expiresMs: s.integer() });

/** An answer that is no success. */
export const apiError = s.object({
  error: s.object({ code: s.string('', 64), message: s.string(), hint: s.nullable(s.string()) }),
});

function eachOf<K extends string>(names: readonly K[]): Record<K, s.Schema<number>> {
  return Object.fromEntries(names.map((name) => [name, s.withDefault(s.integer(), 0)])) as Record<K, s.Schema<number>>;
}
