import type { Observed } from '../../../posture/observed.ts';
import type { Host, ReadRequest, ReadResult } from '../../host/host.ts';
import { NODE_SUBJECT } from '../parse-cache.ts';
import type { CachedHost, CacheKey } from '../parse-cache.ts';
import { liveDirectory } from './live-thread.ts';
import { parseNamespaceLink } from './node-namespaces.ts';
import { readProcessTable } from './process-table.ts';

/** The processes of a node that are in another mount namespace than pid 1, by that namespace. */
export interface NamespaceMembers {
  /** Processes by inode number of their mount namespace. */
  readonly processes: ReadonlyMap<number, readonly number[]>;
  /** The mount namespace of each of them. */
  readonly namespaceOf: ReadonlyMap<number, number>;
  /** Processes whose main thread has ended before others, with the directory of a thread that runs. */
  readonly deadLeaders: ReadonlyMap<number, string>;
  /** Why not every process could be compared; undefined: all were. */
  readonly problem: string | undefined;
}

interface Kept {
  readonly requests: ReadonlyMap<number, ReadRequest>;
  readonly results: ReadonlyMap<number, ReadResult>;
}

const KEPT: CacheKey<Kept> = Object.freeze({ name: 'mount namespaces' });

/**
 * Reads the mount namespace of each process: one link, for those of the process table. In a round it is read once.
 * `ofNode`: the mount namespace of the node.
 */
export function readNamespaceMembers(access: CachedHost, ofNode: Observed<number>): Promise<NamespaceMembers> {
  return access.cache.shared(access.host, 'mount namespaces', () => readMembers(access, ofNode));
}

async function readMembers(access: CachedHost, ofNode: Observed<number>): Promise<NamespaceMembers> {
  const table = await readProcessTable(access);
  if (!table.ok) return { ...NONE, problem: table.reason };
  if (ofNode.state !== 'seen')
    return { ...NONE, problem: `${ofNode.source}: ${ofNode.state === 'absent' ? 'absent' : ofNode.reason}` };
  const { host, cache } = access;
  const before = cache.get(NODE_SUBJECT, KEPT);
  // The first process is in that of the node, and may protect its links.
  const pids = table.value.map(({ pid }) => pid).filter((pid) => pid !== 1);
  const requests = pids.map((pid) => before?.requests.get(pid) ?? requestFor(pid));
  const results = await host.readMany(
    requests,
    pids.map((pid) => before?.results.get(pid)),
  );
  cache.set(NODE_SUBJECT, KEPT, {
    requests: new Map(pids.map((pid, index) => [pid, requests[index] as ReadRequest])),
    results: new Map(pids.map((pid, index) => [pid, results[index] as ReadResult])),
  });
  const processes = new Map<number, number[]>();
  const namespaceOf = new Map<number, number>();
  const deadLeaders = new Map<number, string>();
  let problem: string | undefined;
  for (let index = 0; index < pids.length; index += 1) {
    const pid = pids[index] as number;
    let link = results[index] as ReadResult;
    if (!link.ok && link.code === 'absent') {
      const thread = await threadOf(host, pid);
      if (thread === undefined) continue;
      deadLeaders.set(pid, thread);
      link = await host.readLink(`${thread}/ns/mnt`);
    }
    if (!link.ok) {
      if (link.code !== 'absent') problem ??= `/proc/${String(pid)}/ns/mnt: ${link.reason}`;
      continue;
    }
    const inode = parseNamespaceLink(link.value.toString());
    if (inode === undefined || inode === ofNode.value) continue;
    namespaceOf.set(pid, inode);
    const others = processes.get(inode);
    if (others === undefined) processes.set(inode, [pid]);
    else others.push(pid);
  }
  return { processes, namespaceOf, deadLeaders, problem };
}

const NONE = Object.freeze({ processes: new Map(), namespaceOf: new Map(), deadLeaders: new Map() });

function requestFor(pid: number): ReadRequest {
  return { op: 'readLink', path: `/proc/${String(pid)}/ns/mnt` };
}

/** The directory of a thread that runs, of a process whose main thread does not; undefined: it has ended. */
async function threadOf(host: Host, pid: number): Promise<string | undefined> {
  const directory = await liveDirectory(host, pid);
  return directory === `/proc/${String(pid)}` ? undefined : directory;
}
