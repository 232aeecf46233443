/** Keeps sessions of a node from beginning while its rows are changed from outside of a session. */
export interface NodeLock {
  /** Runs `work` once nothing else holds the node. */
  readonly hold: <T>(nodeId: string, work: () => Promise<T>) => Promise<T>;
  /** A session of this node may begin once this resolves; undefined: at once. */
  readonly holdsUp: (nodeId: string) => Promise<void> | undefined;
}

/** A lock that nobody holds. */
export function createNodeLock(): NodeLock {
  const held = new Map<string, Promise<void>>();
  return {
    hold: async (nodeId, work) => {
      for (let other = held.get(nodeId); other !== undefined; other = held.get(nodeId)) await other;
      const { promise, resolve } = Promise.withResolvers<void>();
      held.set(nodeId, promise);
      try {
        return await work();
      } finally {
        held.delete(nodeId);
        resolve();
      }
    },
    holdsUp: (nodeId) => held.get(nodeId),
  };
}
