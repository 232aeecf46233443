import * as s from '../posture/schema.ts';
import { counts } from './part.ts';

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
  /** `stale`: connected, but heartbeats are missing; judged by the collector's clock. */
  presence: s.oneOf(['connected', 'stale', 'offline']),
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
/** See {@link nodeList}. */
export type NodeList = s.Infer<typeof nodeList>;

/** A node with its containers as they were last reported; `startedAt` is RFC 3339. */
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

/** There is no such node any more: what `/v1/events` sends as `nodeRemoved`. */
export const goneNode = s.object({ nodeId: s.string() });
/** See {@link goneNode}. */
export type GoneNode = s.Infer<typeof goneNode>;

/** A node that was removed: how many findings it had, and how many of them were open. */
export const removedNode = s.object({
  id: s.string(),
  name: s.string(),
  findings: s.integer(),
  resolved: s.integer(),
});
/** See {@link removedNode}. */
export type RemovedNode = s.Infer<typeof removedNode>;

/** The fleet at a glance. */
export const summary = s.object({
  version: s.string(),
  nodes: s.object({ total: s.integer(), connected: s.integer(), offline: s.integer() }),
  counts,
});
/** See {@link summary}. */
export type Summary = s.Infer<typeof summary>;
