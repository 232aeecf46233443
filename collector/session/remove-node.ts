import { within } from '../../service/clock.ts';
import type { Clock } from '../../service/clock.ts';
import type { Logger } from '../../service/log.ts';
import type { EventBus } from '../event-bus.ts';
import { isPassing } from '../store/error.ts';
import type { NodeRow, Store } from '../store/store.ts';
import type { NodeRegistry } from './node-registry.ts';
import { tell } from './writer.ts';
import type { Writer } from './writer.ts';

/**
 * What came of removing a node. `removed`: it had so many findings, of which those that were open are `resolved`;
 * `unknown`: there is none; `connected`: a node that speaks to us is not removed; `notNow`: nothing was changed, and
 * it can be tried again.
 */
export type NodeRemoval =
  | { readonly outcome: 'removed'; readonly node: NodeRow; readonly findings: number; readonly resolved: number }
  | { readonly outcome: 'unknown' }
  | { readonly outcome: 'connected'; readonly node: NodeRow }
  | { readonly outcome: 'notNow'; readonly reason: string };

/** Removes nodes that have no session. */
export interface NodeRemover {
  /** `by`: who wants it, for the log. Rejects with what the store throws, but for what passes by itself. */
  readonly remove: (nodeId: string, by: string) => Promise<NodeRemoval>;
  /** A session of this node may begin once this resolves; undefined: at once. */
  readonly holdsUp: (nodeId: string) => Promise<void> | undefined;
}

/** What removing works with. */
export interface NodeRemoverOptions {
  readonly store: Pick<Store, 'removeNode'>;
  readonly writer: Pick<Writer, 'written'>;
  readonly nodes: NodeRegistry;
  readonly eventBus: EventBus;
  readonly hasSession: (nodeId: string) => boolean;
  readonly isClosing: () => boolean;
  readonly clock: Clock;
  readonly log: Logger;
}

/** How long a store that takes nothing is waited for: a session of the node waits as long. */
const PATIENCE_MS = 5000;

/**
 * Removes one node after the other of those that are asked for. What its last session has left in the writer's queue is
 * stored first: after it, a snapshot that waits there would bring back findings of a node that nobody knows.
 */
export function createNodeRemover(options: NodeRemoverOptions): NodeRemover {
  const { store, writer, nodes, eventBus, hasSession, isClosing, clock, log } = options;
  const underWay = new Map<string, Promise<void>>();

  const removeNow = async (node: NodeRow, by: string): Promise<NodeRemoval> => {
    const { id, name, lastSeenMs } = node;
    const written = Promise.all([writer.written(id), nodes.written(id)]).then(() => true);
    if (!(await within(clock, PATIENCE_MS, written, () => false)))
      return notNow('the store does not take what this node has said');
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
    holdsUp: (nodeId) => underWay.get(nodeId),
    remove: async (nodeId, by) => {
      // Two that ask for the same: the second finds out what became of the first.
      for (let other = underWay.get(nodeId); other !== undefined; other = underWay.get(nodeId)) await other;
      const node = nodes.find(nodeId);
      if (node === undefined) return { outcome: 'unknown' };
      if (isClosing()) return notNow('the collector is going down');
      if (hasSession(nodeId)) return { outcome: 'connected', node };
      const { promise, resolve } = Promise.withResolvers<void>();
      underWay.set(nodeId, promise);
      try {
        return await removeNow(node, by);
      } catch (error) {
        if (!isPassing(error)) throw error;
        return notNow(error instanceof Error ? error.message : String(error));
      } finally {
        underWay.delete(nodeId);
        resolve();
      }
    },
  };
}

function notNow(reason: string): NodeRemoval {
  return { outcome: 'notNow', reason };
}
