import type { Read } from '../../host/host.ts';
import type { CachedHost } from '../parse-cache.ts';
import { readProcessTable } from './process-table.ts';

/** Ids of containers in the path of a cgroup. */
const CONTAINER_ID = /[0-9a-f]{64}/g;

/**
 * The processes of the node by the containers that their cgroups name. Every process is read, so the result serves for
 * 2 s: where the lists of cgroups show no processes (in a pid namespace of one's own) each container needs it. Fails where
 * a cgroup cannot be read. The first process of the node, which may protect its files, is in no container.
 */
export function readProcessCgroups(access: CachedHost): Promise<Read<ReadonlyMap<string, readonly number[]>>> {
  return access.cache.memoizeFor('cgroups of processes', () => readCgroups(access));
}

async function readCgroups(access: CachedHost): Promise<Read<ReadonlyMap<string, readonly number[]>>> {
  const table = await readProcessTable(access);
  if (!table.ok) return table;
  const pids = table.value.map(({ pid }) => pid).filter((pid) => pid !== 1);
  const read = await access.host.readMany(
    pids.map((pid) => ({ op: 'readFile', path: `/proc/${String(pid)}/cgroup` }) as const),
  );
  const found = new Map<string, number[]>();
  for (const [index, cgroup] of read.entries()) {
    if (!cgroup.ok && cgroup.code !== 'absent')
      return { ...cgroup, reason: `/proc/${String(pids[index])}/cgroup: ${cgroup.reason}` };
    if (!cgroup.ok || !Buffer.isBuffer(cgroup.value)) continue;
    for (const id of new Set(cgroup.value.toString('latin1').match(CONTAINER_ID))) {
      const own = found.get(id) ?? [];
      found.set(id, own);
      own.push(pids[index] as number);
    }
  }
  return { ok: true, value: found };
}
