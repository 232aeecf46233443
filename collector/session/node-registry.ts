import type { Clock } from '../../service/clock.ts';
import type { Logger } from '../../service/log.ts';
import type { EventBus } from '../store/event-bus.ts';
import type { NodeRow, Store } from '../store/store.ts';

/** Holds the rows of nodes in memory, writes them to the store at intervals and publishes each row that it writes. */
export interface NodeRegistry {
  /** Changes a row, or creates it; it is written within `writeMs`. */
  readonly change: (nodeId: string, changes: Partial<NodeRow>) => void;
  /** As `change`, written at once. */
  readonly changeNow: (nodeId: string, changes: Partial<NodeRow>) => void;
  /** Every row, as it is now. */
  readonly rows: () => readonly NodeRow[];
  /** Undefined for a node that was never seen. */
  readonly find: (nodeId: string) => NodeRow | undefined;
  /** Resolves once the row of this node is written, if it can be. */
  readonly written: (nodeId: string) => Promise<void>;
  /** Removes the row of a node that was removed from the store. */
  readonly remove: (nodeId: string) => void;
  /** Writes every row at once, to a new store. */
  readonly writeAll: () => void;
  /** Writes what is not written yet. */
  readonly close: () => Promise<void>;
}

/** What a registry needs. */
export interface NodeRegistryOptions {
  readonly store: Pick<Store, 'nodes' | 'putNode'>;
  readonly eventBus: EventBus;
  readonly clock: Clock;
  readonly log: Logger;
  readonly writeMs: number;
}

/**
 * A registry of all nodes in the store. Nobody is connected when it is opened: nodes that were when the collector was
 * killed have been offline since they were last seen. Rejects if the store cannot be read.
 */
export async function openNodeRegistry(options: NodeRegistryOptions): Promise<NodeRegistry> {
  const { store, eventBus, clock, log, writeMs } = options;
  const rows = new Map((await store.nodes()).map((node) => [node.id, node]));
  const timers = new Map<string, () => void>();
  /** Nodes whose row is about to be written: one write says all that has changed until then. */
  const due = new Set<string>();
  let writing: Promise<void> = Promise.resolve();

  const write = async (nodeId: string): Promise<void> => {
    due.delete(nodeId);
    const node = rows.get(nodeId);
    if (node === undefined) return;
    // Before the write, which may fail: readers see the current state.
    eventBus.publish({ type: 'node', node });
    try {
      await store.putNode(node);
    } catch (error) {
      log.warn({ error, nodeId }, 'the row of a node could not be written; it is tried again');
      writeLater(nodeId);
    }
  };
  // One after the other: a later row must not be overtaken by an earlier one.
  const writeNow = (nodeId: string): void => {
    timers.get(nodeId)?.();
    timers.delete(nodeId);
    if (due.has(nodeId)) return;
    due.add(nodeId);
    writing = writing.then(() => write(nodeId));
  };
  const writeLater = (nodeId: string): void => {
    if (!timers.has(nodeId))
      timers.set(
        nodeId,
        clock.after(writeMs, () => writeNow(nodeId)),
      );
  };
  const change = (nodeId: string, changes: Partial<NodeRow>): void => {
    rows.set(nodeId, { ...(rows.get(nodeId) ?? newRow(nodeId, clock.now())), ...changes });
  };

  for (const { id, connected, lastSeenMs } of rows.values()) {
    if (!connected) continue;
    change(id, { connected: false, offlineSinceMs: lastSeenMs });
    writeNow(id);
  }
  await writing;
  return {
    change: (nodeId, changes) => {
      change(nodeId, changes);
      writeLater(nodeId);
    },
    changeNow: (nodeId, changes) => {
      change(nodeId, changes);
      writeNow(nodeId);
    },
    rows: () => [...rows.values()],
    find: (nodeId) => rows.get(nodeId),
    written: async (nodeId) => {
      if (timers.has(nodeId)) writeNow(nodeId);
      await writing;
    },
    remove: (nodeId) => {
      timers.get(nodeId)?.();
      timers.delete(nodeId);
      rows.delete(nodeId);
    },
    writeAll: () => {
      for (const nodeId of rows.keys()) writeNow(nodeId);
    },
    close: async () => {
      for (const nodeId of timers.keys()) writeNow(nodeId);
      await writing;
      // What could not be written now is known again with the next session.
      for (const cancel of timers.values()) cancel();
    },
  };
}

function newRow(id: string, nowMs: number): NodeRow {
  return {
    id,
    name: id,
    agentVersion: '',
    operatingSystem: '',
    kernelRelease: '',
    architecture: '',
    cpus: 0,
    memoryBytes: 0,
    runtime: '',
    securityModules: '',
    containers: [],
    firstSeenMs: nowMs,
    lastSeenMs: nowMs,
    connected: false,
    offlineSinceMs: 0,
    agentRssBytes: 0,
    agentCpuMs: 0,
    dropped: 0,
  };
}
