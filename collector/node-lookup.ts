import type { EventBus } from './store/event-bus.ts';
import type { NodeRow, Store } from './store/store.ts';

/** Rows of all nodes, in memory. */
export interface NodeLookup {
  /** In no particular order. */
  readonly all: () => Promise<readonly NodeRow[]>;
  /** Resolves to a function that finds the row of a node by its id. */
  readonly byId: () => Promise<(nodeId: string) => NodeRow | undefined>;
}

/**
 * Caches the rows of all nodes for frequent readers: reading a fleet with its containers from the store takes longer
 * than committing a thousand events, and delays acknowledgements. The rows are read once and then updated from the
 * event bus. A failed read rejects; the next call tries again.
 */
export function createNodeLookup(store: Pick<Store, 'nodes'>, eventBus: EventBus): NodeLookup {
  const rows = new Map<string, NodeRow>();
  let reading: Promise<void> | undefined;
  eventBus.subscribeToNodes((item) => {
    if (item.type === 'node') rows.set(item.node.id, item.node);
    else rows.delete(item.nodeId);
  });
  const read = async (): Promise<void> => {
    // What the event bus published in the meantime is newer. A removed node has no row that would show it.
    const removed = new Set<string>();
    const stop = eventBus.subscribeToNodes((item) => {
      if (item.type === 'nodeRemoved') removed.add(item.nodeId);
    });
    try {
      for (const node of await store.nodes()) if (!rows.has(node.id) && !removed.has(node.id)) rows.set(node.id, node);
    } finally {
      stop();
    }
  };
  const loaded = async (): Promise<void> => {
    reading ??= read().catch((error: unknown) => {
      reading = undefined;
      throw error;
    });
    await reading;
  };
  return {
    all: async () => {
      await loaded();
      return [...rows.values()];
    },
    byId: async () => {
      await loaded();
      return (nodeId) => rows.get(nodeId);
    },
  };
}
