import * as s from '../posture/schema.ts';
import { count, counts, time } from './part.ts';

const nodeFields = {
  id: s.string(),
  name: s.string(),
  agentVersion: s.string(),
  operatingSystem: s.string(),
  kernelRelease: s.string(),
  architecture: s.string(),
  cpus: count('logical processors'),
  memoryBytes: count('memory in bytes'),
  runtime: s.string('container engine and version; empty: none; `docker (not read)`: there, but it could not be read'),
  securityModules: s.string('active security modules; empty: could not be read'),
  containerCount: count('running containers'),
  connected: s.boolean('has a session'),
  presence: s.oneOf(
    ['connected', 'stale', 'offline', 'neverEnrolled'],
    'stale: has a session, but three heartbeats and 5 s have passed without a message; offline: no session; neverEnrolled: a node of the Kubernetes cluster that never had a session',
  ),
  duplicateIdentity: s.boolean('two agents used the identity of this node within the last ten minutes'),
  firstSeenMs: time('first session, or when the cluster first listed it without an agent'),
  lastSeenMs: time('last message; 0: none yet'),
  offlineSinceMs: time('when the connection was lost; 0 while connected'),
  agentRssBytes: count('resident memory of the agent'),
  agentCpuMs: count('CPU time of the agent since it started'),
  dropped: count('deltas that the agent had to drop; a resync restores what they reported'),
};

/** A node as `/v1/events` sends it. */
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
    s.object({
      id: s.string(),
      name: s.string(),
      image: s.string(),
      imageId: s.string(),
      startedAt: s.string('RFC 3339'),
    }),
    '',
    10_000,
  ),
});
/** See {@link nodeDetail}. */
export type NodeDetail = s.Infer<typeof nodeDetail>;

/** A node was removed: what `/v1/events` sends as `nodeRemoved`. */
export const goneNode = s.object({ nodeId: s.string() });

/** Where an image runs: fields of an image. */
export const imageUseFields = {
  id: s.string('sha256:… of the configuration'),
  names: s.list(s.string(), 'references that containers were started from; of an image at rest its tags', 1000),
  containers: s.list(
    s.object({ nodeId: s.string(), nodeName: s.string(), id: s.string(), name: s.string(), image: s.string() }),
    'running containers',
    100_000,
  ),
};

/** A node that was removed. */
export const removedNode = s.object({
  id: s.string(),
  name: s.string(),
  findings: count('findings that the node had'),
  resolved: count('those among them that were open'),
});

/** The fleet at a glance. */
export const summary = s.object({
  version: s.string('version of the collector'),
  nodes: s.object({
    total: count(),
    connected: count(),
    offline: count('nodes that had a session and have none'),
    neverEnrolled: count('nodes of the Kubernetes cluster that never had a session'),
  }),
  counts,
});
/** See {@link summary}. */
export type Summary = s.Infer<typeof summary>;
