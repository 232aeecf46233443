import type { ContainerFact } from '../../../posture/fact/container.ts';
import { absent, seen } from '../../../posture/observed.ts';
import type { ThreadReading } from './threads.ts';

const MAX_SESSIONS = 256;

/**
 * The sessions that the engine has started in a container after its first process. Their parent is the supervisor, or
 * another process that is not of the container, as that of the first process is. Within a pid namespace of its own a
 * container cannot make such a process: orphans there become children of the first process, pid_namespaces(7). In one
 * that it shares, orphans are among them.
 */
export function findExecs(
  threads: readonly ThreadReading[],
  init: number,
  namespace: ContainerFact['namespaces']['pid'],
): ContainerFact['execs'] {
  const first = threads[0];
  const source = `/proc/${String(init)}/status`;
  if (namespace.state !== 'seen') return namespace;
  if (first === undefined || first.pid !== init) return absent(source);
  // One thread of each process: the first, or where that has ended another.
  const own = new Map<number, ThreadReading>();
  for (const thread of threads) if (!own.has(thread.pid)) own.set(thread.pid, thread);
  const roots = [...own.values()].filter(({ pid, status }) => pid !== init && !own.has(status.parent));
  return seen(
    {
      firstBounding: first.status.capabilities.bounding,
      sessions: roots.slice(0, MAX_SESSIONS).map(({ directory, status: { uids, capabilities } }) => ({
        source: directory,
        uids: uids.slice(0, 4),
        bounding: capabilities.bounding,
        effective: capabilities.effective,
      })),
    },
    source,
  );
}
