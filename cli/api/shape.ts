import { SUBJECT_KINDS } from '../../posture/finding.ts';
import * as s from '../../posture/schema.ts';
import { SEVERITIES, VERDICTS } from '../../posture/verdict.ts';
import type { Severity, Verdict } from '../../posture/verdict.ts';

/*
 * What the operator API answers, as far as the command line uses it. Everything that comes over the network passes
 * these before it is believed; fields that are not named here are dropped.
 */

const verdict = s.oneOf(VERDICTS);
const severity = s.oneOf(SEVERITIES);
const action = s.oneOf(['opened', 'changed', 'resolved']);
const subject = s.object({ kind: s.oneOf(SUBJECT_KINDS), id: s.string(), name: s.string() });
const evidence = s.object({ source: s.string(), seen: s.string(), expected: s.string() });
const control = s.object({ benchmark: s.string(), control: s.string() });

/** One finding of the fleet. */
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

/** One page of findings; `cursor` is null on the last. */
export const findingPage = s.object({ findings: s.list(fleetFinding, '', 10_000), cursor: s.nullable(s.string()) });

/** Something that happened to a finding. */
export const findingEvent = s.object({
  position: s.integer(),
  uid: s.string(),
  action,
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
/** One page of history; `cursor` is null on the last. */
export const historyPage = s.object({ entries: s.list(historyEntry, '', 10_000), cursor: s.nullable(s.string()) });

const counts = s.object({
  verdicts: s.object(eachOf<Verdict>(VERDICTS)),
  failures: s.object(eachOf<Severity>(SEVERITIES)),
});

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
/** A node with its counts. */
export const fleetNode = s.object({ ...nodeFields, counts });
/** See {@link fleetNode}. */
export type FleetNode = s.Infer<typeof fleetNode>;
/** All nodes. */
export const nodeList = s.object({ nodes: s.list(fleetNode, '', 100_000) });

const sinkStatus = s.object({
  name: s.string(),
  state: s.oneOf(['ok', 'retrying', 'paused']),
  position: s.integer(),
  behind: s.integer(),
  lastError: s.string(),
  delivered: s.integer(),
  rejected: s.integer(),
});
/** Where events are shipped to. */
export type FleetSink = s.Infer<typeof sinkStatus>;

/** All sinks. */
export const sinkList = s.object({ sinks: s.list(sinkStatus, '', 1_000) });

const nodeHealth = s.object({
  id: s.string(),
  name: s.string(),
  presence: s.oneOf(['connected', 'stale', 'offline']),
  lastSeenMs: s.integer(),
  agentVersion: s.string(),
  agentRssBytes: s.integer(),
  agentCpuMs: s.integer(),
  dropped: s.integer(),
  overBudget: s.boolean(),
});

/** How the collector is doing. */
export const collectorStatus = s.object({
  version: s.string(),
  startedMs: s.integer(),
  nowMs: s.integer(),
  addresses: s.object({ nodes: s.string(), api: s.string(), console: s.nullable(s.string()) }),
  process: s.object({ pid: s.integer(), rssBytes: s.integer(), cpuMs: s.integer() }),
  store: s.object({
    path: s.string(),
    bytes: s.integer(),
    freeBytes: s.nullable(s.integer()),
    findings: s.integer(),
    historyFromMs: s.nullable(s.integer()),
    historyToMs: s.nullable(s.integer()),
    setAside: s.nullable(s.object({ path: s.string(), atMs: s.integer() })),
    problem: s.string(),
  }),
  heartbeatMs: s.integer(),
  nodes: s.object({
    total: s.integer(),
    connected: s.integer(),
    stale: s.integer(),
    offline: s.integer(),
    listed: s.list(nodeHealth, '', 1_000),
  }),
  sinks: s.list(sinkStatus, '', 1_000),
  /** `code` is not held to a list: a newer collector may know more. */
  troubles: s.list(
    s.object({ code: s.string('', 64), subject: s.string(), text: s.string(), advice: s.string() }),
    '',
    10_000,
  ),
});
/** See {@link collectorStatus}. */
export type FleetStatus = s.Infer<typeof collectorStatus>;

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

/** An answer that is no success. */
export const apiError = s.object({
  error: s.object({ code: s.string('', 64), message: s.string(), hint: s.nullable(s.string()) }),
});

function eachOf<K extends string>(names: readonly K[]): Record<K, s.Schema<number>> {
  return Object.fromEntries(names.map((name) => [name, s.withDefault(s.integer(), 0)])) as Record<K, s.Schema<number>>;
}
