import { within } from '../../service/clock.ts';
import type { Clock } from '../../service/clock.ts';
import type { Logger } from '../../service/log.ts';
import type { EventBus } from '../store/event-bus.ts';
import { isPassing } from '../store/error.ts';
import type { NodeRow, Store } from '../store/store.ts';
import type { NodeLock } from './node-lock.ts';
import type { NodeRegistry } from './node-registry.ts';
import { tell } from './writer.ts';
import type { Writer } from './writer.ts';

/**
 * The result of removing a node. `removed`: with its number of findings, and how many of them were open and are now
 * resolved; `unknown`: no such node; `connected`: a connected node is not removed; `notNow`: nothing was changed, try
 * again.
 */
export type NodeRemoval =
  | { readonly outcome: 'removed'; readonly node: NodeRow; readonly findings: number; readonly resolved: number }
  | { readonly outcome: 'unknown' }
  | { readonly outcome: 'connected'; readonly node: NodeRow }
  | { readonly outcome: 'notNow'; readonly reason: string };

/** Removes nodes that have no session. */
export interface NodeRemover {
  /** `by`: who wants it, for the log. Rejects with the error of the store, unless that is temporary. */
  readonly remove: (nodeId: string, by: string) => Promise<NodeRemoval>;
}

/** What removing works with. */
export interface NodeRemoverOptions {
  readonly store: Pick<Store, 'removeNode'>;
  readonly writer: Pick<Writer, 'written'>;
  readonly nodes: NodeRegistry;
  /** Sessions of the node begin after its removal. */
  readonly lock: NodeLock;
  readonly eventBus: EventBus;
  readonly hasSession: (nodeId: string) => boolean;
  readonly isClosing: () => boolean;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Deadline of the pending writes of the node; a new session of the node waits as long. */
const WRITE_DEADLINE_MS = 5000;

/**
 * Removes one node after the other of those that are asked for. What its last session has left in the writer's queue is
 * stored first: after it, a snapshot that waits there would bring back findings of a node that nobody knows.
 */
export function createNodeRemover(options: NodeRemoverOptions): NodeRemover {
  const { store, writer, nodes, lock, eventBus, hasSession, isClosing, clock, log } = options;

  const removeNow = async (node: NodeRow, by: string): Promise<NodeRemoval> => {
    const { id, name, lastSeenMs } = node;
    const written = Promise.all([writer.written(id), nodes.written(id)]).then(() => true);
    if (!(await within(clock, WRITE_DEADLINE_MS, written, () => false)))
      return notNow('pending changes of this node could not be written in time');
    if (isClosing()) return notNow('the collector is going down');
    if (hasSession(id)) return { outcome: 'connected', node };
    const removed = await store.removeNode(id, clock.now());
    nodes.remove(id);
    if (removed !== undefined) tell(eventBus, removed);
    eventBus.publish({ type: 'nodeRemoved', nodeId: id });
    const { findings, resolved } = removed ?? { findings: 0, resolved: 0 };
    log.info({ nodeId: id, name, lastSeenMs, findings, resolved, by }, 'node removed');
    return { outcome: 'removed', node, findings, resolved };
  };

  return {
    // Two that ask for the same: the second finds out what became of the first.
    remove: (nodeId, by) =>
      lock.hold(nodeId, async () => {
        const node = nodes.find(nodeId);
        if (node === undefined) return { outcome: 'unknown' };
        if (isClosing()) return notNow('the collector is going down');
        if (hasSession(nodeId)) return { outcome: 'connected', node };
        try {
          return await removeNow(node, by);
        } catch (error) {
          if (!isPassing(error)) throw error;
          return notNow(error instanceof Error ? error.message : String(error));
        }
      }),
  };
}

function notNow(reason: string): NodeRemoval {
  return { outcome: 'notNow', reason };
}
