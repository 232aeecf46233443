import type { Feed } from './feed.ts';
import type { NodeRow, Store } from './store/store.ts';

/** Resolves to what finds the row of a node by its id. */
export type NodeLookup = () => Promise<(nodeId: string) => NodeRow | undefined>;

/**
 * Rows of nodes in memory, for whoever asks often: reading all of a fleet with its containers costs as much as
 * a thousand events. They are read from the store once, then the feed tells what changes. A read that fails rejects,
 * and the next call tries again.
 */
export function createNodeLookup(store: Pick<Store, 'nodes'>, feed: Feed): NodeLookup {
  const rows = new Map<string, NodeRow>();
  let reading: Promise<void> | undefined;
  feed.subscribeToNodes((item) => {
    if (item.type === 'node') rows.set(item.node.id, item.node);
    else rows.delete(item.nodeId);
  });
  const read = async (): Promise<void> => {
    // What the feed has told in the meantime is newer; of nodes that were forgotten there is no row to tell by.
    const forgotten = new Set<string>();
    const stop = feed.subscribeToNodes((item) => {
      if (item.type === 'nodeForgotten') forgotten.add(item.nodeId);
    });
    try {
      for (const node of await store.nodes())
        if (!rows.has(node.id) && !forgotten.has(node.id)) rows.set(node.id, node);
    } finally {
      stop();
    }
  };
  return async () => {
    reading ??= read().catch((error: unknown) => {
      reading = undefined;
      throw error;
    });
    await reading;
    return (nodeId) => rows.get(nodeId);
  };
}
