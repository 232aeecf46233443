import * as s from '../posture/schema.ts';
import { issues } from './issue.ts';

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
    quarantined: s.nullable(s.object({ path: s.string(), atMs: s.integer() })),
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
  issues,
});
/** See {@link collectorStatus}. */
export type FleetStatus = s.Infer<typeof collectorStatus>;
