import type { AgentFact } from '../posture/fact/agent.ts';
import type { NodeFact } from '../posture/fact/node.ts';
import type { Host } from './host/host.ts';
import type { ParseCache } from './inspector/parse-cache.ts';
import type { FailedLooks } from './inspector/unobserved/failed-looks.ts';
import type { Prober } from './probe/prober.ts';
import type { Engines } from './runtime/engines.ts';
import type { ContainerRuntime } from './runtime/runtime.ts';

/** All the ways in which inspectors see one node: live, or recorded in a directory. */
export interface NodeAccess {
  readonly host: Host;
  /** The engine that the fact `docker` is about. */
  readonly runtime: ContainerRuntime;
  readonly engines: Engines;
  readonly prober: Prober;
  /** What the machine is. */
  readonly inventory: () => Promise<NodeFact>;
  /** What the running agent takes; absent where none runs. */
  readonly agent: () => AgentFact;
  /** What inspectors remember to save work. */
  readonly cache: ParseCache;
  /** What could not be inspected, until it can be or is gone. */
  readonly failedLooks: FailedLooks;
  /** Milliseconds since 1970. A recorded node answers with the time of the recording. */
  readonly now: () => number;
}
