import type { Clock } from '../../service/clock.ts';
import type { Logger } from '../../service/log.ts';
import { isPassing } from '../store/error.ts';
import type { EventBus } from '../store/event-bus.ts';
import type { NodeRow, Store } from '../store/store.ts';

/** Holds the rows of nodes in memory, writes them to the store at intervals and publishes each row that it writes. */
export interface NodeRegistry {
  /** Changes a row, or creates it; it is written within `writeMs`, together with those of other nodes. */
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
  readonly store: Pick<Store, 'nodes' | 'putNodes'>;
  readonly eventBus: EventBus;
  readonly clock: Clock;
  readonly log: Logger;
  readonly writeMs: number;
}

/** Rows of one transaction, which blocks everything else for some milliseconds. */
const MAX_ROWS = 500;

/**
 * A registry of all nodes in the store. Nobody is connected when it is opened: nodes that were when the collector was
 * killed have been offline since they were last seen. Rejects if the store cannot be read.
 */
export async function openNodeRegistry(options: NodeRegistryOptions): Promise<NodeRegistry> {
  const { store, eventBus, clock, log, writeMs } = options;
  const rows = new Map((await store.nodes()).map((node) => [node.id, node]));
  /** Nodes whose row is written at the next turn, and those that wait for the timer: one write says all until then. */
  const due = new Set<string>();
  const later = new Set<string>();
  let cancelTimer: (() => void) | undefined;
  let isQueued = false;
  let writing: Promise<void> = Promise.resolve();

  const put = async (nodes: readonly NodeRow[]): Promise<void> => {
    try {
      await store.putNodes(nodes);
    } catch (error) {
      // What a node says must not keep the rows of others out.
      if (nodes.length > 1 && !isPassing(error)) {
        for (const node of nodes) await put([node]);
        return;
      }
      log.warn({ error, nodes: nodes.length }, 'rows of nodes could not be written; it is tried again');
      for (const { id } of nodes) writeLater(id);
    }
  };
  const write = async (): Promise<void> => {
    isQueued = false;
    const nodes = [...due].map((id) => rows.get(id)).filter((node) => node !== undefined);
    due.clear();
    // Before the write, which may fail: readers see the current state.
    for (const node of nodes) eventBus.publish({ type: 'node', node });
    for (let start = 0; start < nodes.length; start += MAX_ROWS) await put(nodes.slice(start, start + MAX_ROWS));
  };
  // One after the other: a later row must not be overtaken by an earlier one.
  const writeNow = (nodeId: string): void => {
    later.delete(nodeId);
    due.add(nodeId);
    if (!isQueued) writing = writing.then(write);
    isQueued = true;
  };
  const writeAllLater = (): void => {
    cancelTimer?.();
    cancelTimer = undefined;
    for (const nodeId of later) writeNow(nodeId);
  };
  const writeLater = (nodeId: string): void => {
    if (!due.has(nodeId)) later.add(nodeId);
    cancelTimer ??= clock.after(writeMs, writeAllLater);
  };
  const change = (nodeId: string, changes: Partial<NodeRow>): void => {
    rows.set(nodeId, { ...(rows.get(nodeId) ?? newNodeRow(nodeId, clock.now())), ...changes });
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
      if (later.has(nodeId)) writeNow(nodeId);
      await writing;
    },
    remove: (nodeId) => {
      later.delete(nodeId);
      rows.delete(nodeId);
    },
    writeAll: () => {
      for (const nodeId of rows.keys()) writeNow(nodeId);
    },
    close: async () => {
      writeAllLater();
      await writing;
      // What could not be written now is known again with the next session.
      cancelTimer?.();
    },
  };
}

/** The row of a node before anything but its id is known. Times: milliseconds since 1970. */
export function newNodeRow(id: string, nowMs: number): NodeRow {
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
