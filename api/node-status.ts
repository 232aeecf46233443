import { nodeStatusSchema } from '../posture/fact/node-status.ts';
import * as s from '../posture/schema.ts';
import { factValue } from './fact-value.ts';
import { count } from './part.ts';
import { unanswered } from './query.ts';

/** How a node is doing, as its agent read it for the request. What the agent could not read is null. */
export const nodeStatus = factValue(nodeStatusSchema);
/** See {@link nodeStatus}. */
export type NodeStatus = s.Infer<typeof nodeStatus>;

/** What a node answered when it was asked how it is doing, or why there is no answer. */
export const nodeStatusAnswer = s.union([
  s.object({
    outcome: s.oneOf(['ok']),
    nodeId: s.string(),
    nodeName: s.string(),
    status: nodeStatus,
    unread: s.list(s.string(), 'what the node could not read, and why: `nodeStatus.processes: /proc: …`', 1000),
    clockOffsetMs: s.integer('clock of the node less clock of the collector'),
    clockErrorMs: count('the offset may be wrong by as much: half the time that the answer took'),
  }),
  ...unanswered,
]);
/** See {@link nodeStatusAnswer}. */
export type NodeStatusAnswer = s.Infer<typeof nodeStatusAnswer>;
