import type { Clock } from '../service/clock.ts';
import type { Logger } from '../service/log.ts';
import { readLabels } from './inspector/container/labels.ts';
import { readSysctlsOnDemand } from './inspector/kernel/sysctls.ts';
import type { NodeAccess } from './node-access.ts';
import type { NodeObserver } from './node-observer.ts';
import { createNodeStatusReader } from './status/read-node-status.ts';
import { watchNode } from './watch/watch-node.ts';

/** What a local observer works with. */
export interface LocalObserverOptions {
  readonly access: NodeAccess;
  readonly sweepIntervalMs: number;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/** An observer that reads the node in this process. */
export function createLocalObserver({ access, ...options }: LocalObserverOptions): NodeObserver {
  return {
    source: access.runtime.endpoint,
    inventory: access.inventory,
    watch: ({ onChange, pace }) => watchNode({ ...options, access, onChange, pace, random: Math.random }),
    nodeStatus: createNodeStatusReader({ ...access, clock: options.clock }),
    readLabels: () => readLabels(access),
    readSysctls: (names) => readSysctlsOnDemand(access.host, names),
    usage: () => ({ rssBytes: 0, cpuMs: 0 }),
  };
}
