import type { DatabaseSync } from 'node:sqlite';
import { CLUSTER_ID } from '../../posture/judge.ts';
import { DEVICE_ATTRIBUTES } from '../event/activity.ts';
import type { Activity, DeviceAttributes } from '../event/activity.ts';
import type { ActivityTable } from './activity-table.ts';
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
  /** Must be called within a transaction. */
  readonly put: (nodes: readonly NodeRow[]) => void;
  /** All nodes that were put, by name; without the row of the cluster, which only names it in its findings. */
  readonly all: () => readonly NodeRow[];
}

/** Prepares the statements. */
export function prepareNodeTable(db: DatabaseSync, activities: ActivityTable): NodeTable {
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
  const attributes = DEVICE_ATTRIBUTES.map((field) => `${COLUMN_OF[field]} AS ${field}`);
  const selectAttributes = db.prepare(`SELECT ${attributes.join(', ')} FROM node WHERE id = ? AND introduced`);
  const activitiesOf = (node: NodeRow): readonly Activity[] => {
    if ((!activities.records('device') && !activities.records('lifecycle')) || node.agentVersion === '') return [];
    const before = selectAttributes.get(node.id) as unknown as DeviceAttributes | undefined;
    return changesOf(before, node);
  };
  return {
    put: (nodes) => {
      for (const node of nodes) {
        const values: Record<string, string | number> = {};
        for (const [field, column] of Object.entries(COLUMN_OF)) values[column] = toSql(node[field as keyof NodeRow]);
        const changes = activitiesOf(node);
        upsert.run(values);
        activities.write(changes.map((activity) => ({ activity, atMs: node.lastSeenMs })));
      }
    },
    all: () => (selectAll.all() as unknown as Row[]).map(toNode),
  };
}

/** What the row of a node says that it did not say before. */
function changesOf(before: DeviceAttributes | undefined, node: NodeRow): readonly Activity[] {
  const { id: nodeId, name: nodeName, agentVersion: version } = node;
  const now = Object.fromEntries(DEVICE_ATTRIBUTES.map((field) => [field, node[field]])) as unknown as DeviceAttributes;
  if (before !== undefined && DEVICE_ATTRIBUTES.every((field) => before[field] === now[field])) return [];
  const previousVersion = before?.agentVersion ?? '';
  const device: Activity = { kind: 'device', node: now };
  if (previousVersion === version) return [device];
  const agent = { kind: 'lifecycle', program: 'plimsoll-agent', version, node: { nodeId, nodeName } } as const;
  return previousVersion === ''
    ? [device, { ...agent, change: 'install' }]
    : [device, { ...agent, change: 'update', previousVersion }];
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
