import type { DatabaseSync } from 'node:sqlite';
import { CLUSTER_ID } from '../../posture/judge.ts';
import { StoreError } from './error.ts';
import type { NodeContainer, NodeRow } from './store.ts';

/** Columns of `node` that hold a field of NodeRow as it is, by field. */
const COLUMN_OF = Object.freeze({
  id: 'id',
  name: 'name',
  agentVersion: 'agent_version',
  operatingSystem: 'operating_system',
  kernelRelease: 'kernel_release',
  architecture: 'architecture',
  cpus: 'cpus',
  memoryBytes: 'memory_bytes',
  runtime: 'runtime',
  securityModules: 'security_modules',
  containers: 'containers',
  firstSeenMs: 'first_seen',
  lastSeenMs: 'last_seen',
  connected: 'connected',
  offlineSinceMs: 'offline_since',
  agentRssBytes: 'agent_rss_bytes',
  agentCpuMs: 'agent_cpu_ms',
  dropped: 'dropped',
} satisfies Record<keyof NodeRow, string>);

/** A row as SQLite gives it. */
type Row = Omit<NodeRow, 'containers' | 'connected'> & { readonly containers: string; readonly connected: number };

/** Access to what the collector knows of nodes. */
export interface NodeTable {
  readonly put: (node: NodeRow) => void;
  /** All nodes that were put, by name; without the row of the cluster, which only names it in its findings. */
  readonly all: () => readonly NodeRow[];
}

/** Prepares the statements. */
export function prepareNodeTable(db: DatabaseSync): NodeTable {
  const columns = Object.values(COLUMN_OF);
  const written = columns.filter((column) => column !== 'id');
  // A node is first seen once, whoever writes the row later.
  const assignments = written.map((column) =>
    column === 'first_seen'
      ? 'first_seen = iif(introduced, min(first_seen, excluded.first_seen), excluded.first_seen)'
      : `${column} = excluded.${column}`,
  );
  const upsert = db.prepare(
    `INSERT INTO node (introduced, ${columns.join(', ')}) VALUES (1, ${columns.map((column) => `:${column}`).join(', ')})
     ON CONFLICT (id) DO UPDATE SET ${assignments.join(', ')}, introduced = 1`,
  );
  const fields = Object.entries(COLUMN_OF).map(([field, column]) => `${column} AS ${field}`);
  const selectAll = db.prepare(
    `SELECT ${fields.join(', ')} FROM node WHERE introduced AND id <> '${CLUSTER_ID}' ORDER BY name, id`,
  );
  return {
    put: (node) => {
      const values: Record<string, string | number> = {};
      for (const [field, column] of Object.entries(COLUMN_OF)) values[column] = toSql(node[field as keyof NodeRow]);
      upsert.run(values);
    },
    all: () => (selectAll.all() as unknown as Row[]).map(toNode),
  };
}

function toSql(value: NodeRow[keyof NodeRow]): string | number {
  if (typeof value === 'boolean') return value ? 1 : 0;
  return typeof value === 'object' ? JSON.stringify(value) : value;
}

function toNode(row: Row): NodeRow {
  return { ...row, containers: toContainers(row.containers), connected: row.connected === 1 };
}

function toContainers(text: string): readonly NodeContainer[] {
  try {
    return JSON.parse(text) as readonly NodeContainer[];
  } catch (error) {
    throw new StoreError('damaged', 'a row of the store does not hold what was written to it', error);
  }
}
