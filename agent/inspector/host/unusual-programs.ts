import { seen, unreadable } from '../../../posture/observed.ts';
import type { Observed } from '../../../posture/observed.ts';
import type { HostFact } from '../../../posture/fact/host.ts';
import { clip } from '../clip.ts';
import type { CachedHost } from '../parse-cache.ts';
import { containerIds } from '../proc/cgroup.ts';
import { readProcessTable } from '../proc/process-table.ts';
import { isFault, readText } from '../read-text.ts';

type Program = HostFact['unusualPrograms'] extends Observed<readonly (infer T)[]> ? T : never;

const MAX_PROGRAMS = 64;
/** Directories that every user can write to. */
const TEMPORARY = /^\/(?:dev\/shm|tmp|var\/tmp|run\/user\/\d+|run\/lock)\//;
/** runc and crun run from a copy of themselves in memory while they start a container (CVE-2019-5736). */
const RUNTIME_COPY = /^\/memfd:(?:runc_cloned:|crun|libcrun)/;

/** Processes outside containers whose program is not an installed file, from the names that the process table has. */
export async function readUnusualPrograms(access: CachedHost): Promise<HostFact['unusualPrograms']> {
  const { host } = access;
  const source = '/proc/*/exe';
  const table = await readProcessTable(access);
  if (!table.ok) return unreadable('/proc', table.reason);
  const own = await readText(host, '/proc/1/cgroup');
  const outer = new Set(own.ok ? containerIds(own.value) : []);
  const found: Program[] = [];
  let hidden: string | undefined;
  for (const { pid, executable } of table.value) {
    // A process of the kernel has no program.
    const kind = executable.ok ? kindOf(executable.value) : undefined;
    if (kind === undefined && (executable.ok || executable.code === 'absent')) continue;
    const cgroup = await readText(host, `/proc/${String(pid)}/cgroup`);
    if (isFault(cgroup)) return unreadable(source, `/proc/${String(pid)}/cgroup: ${cgroup.reason}`);
    // It ended, or belongs to a container.
    if (!cgroup.ok || containerIds(cgroup.value).some((id) => !outer.has(id))) continue;
    // One that is hidden from us may run anything.
    if (!executable.ok) hidden ??= `/proc/${String(pid)}/exe: ${executable.reason}`;
    else if (kind !== undefined) found.push({ pid, executable: clip(executable.value, 4096), kind });
  }
  if (hidden !== undefined && found.every(({ kind }) => kind === 'deleted')) return unreadable(source, hidden);
  // The worst first, so that many harmless ones hide none.
  const order = ['memory', 'temporary', 'deleted'];
  found.sort((one, other) => order.indexOf(one.kind) - order.indexOf(other.kind) || one.pid - other.pid);
  return seen(found.slice(0, MAX_PROGRAMS), source);
}

function kindOf(executable: string): Program['kind'] | undefined {
  if (executable.startsWith('/memfd:')) return RUNTIME_COPY.test(executable) ? undefined : 'memory';
  if (TEMPORARY.test(executable)) return 'temporary';
  return executable.endsWith(' (deleted)') ? 'deleted' : undefined;
}
