import { userOfEngine } from '../../../posture/fact/docker.ts';
import type { ContainerFact } from '../../../posture/fact/container.ts';
import type { Host } from '../../host/host.ts';
import { parseStartTicks, parseState, TICKS_PER_SECOND } from '../proc/proc-stat.ts';
import { liveDirectory } from '../proc/live-thread.ts';
import { readText } from '../read-text.ts';
import { isStillRunning } from './running-containers.ts';

/**
 * The containers as they were seen running last, each with the identity of its first process. An engine that has just
 * started again can forget or misreport a container for a moment; the kernel then says whether that container runs.
 */
export interface LastRunning {
  /**
   * Remembers a container whose first process was found in its cgroup. Not one of a rootless engine: its user could name
   * the same process as the first one of ever more containers.
   */
  readonly record: (host: Host, container: ContainerFact) => Promise<void>;
  /**
   * Whether the first process still runs: the process that was recorded (same number, same start), or for a container
   * that was never recorded, a process `pid` in the cgroup of that container. true where /proc cannot be read.
   */
  readonly runs: (host: Host, container: Pick<ContainerFact, 'id' | 'pid'>) => Promise<boolean>;
  readonly get: (id: string) => ContainerFact | undefined;
  /** The containers of an engine. */
  readonly of: (engine: string) => readonly ContainerFact[];
  readonly delete: (id: string) => void;
  /** Deletes the containers of all other engines. */
  readonly retain: (engines: ReadonlySet<string>) => void;
}

interface Entry {
  readonly container: ContainerFact;
  readonly startTicks: number;
}

/** Nothing was seen yet. */
export function createLastRunning(): LastRunning {
  const entries = new Map<string, Entry>();
  return {
    record: async (host, container) => {
      const known = entries.get(container.id);
      if (known?.container === container || userOfEngine(container.engine) !== 0) return;
      const isSameStart = known?.container.pid === container.pid && known.container.startedAt === container.startedAt;
      const startTicks = isSameStart ? known.startTicks : await startOf(host, container.pid);
      if (typeof startTicks === 'number') entries.set(container.id, { container, startTicks });
      else entries.delete(container.id);
    },
    runs: async (host, { id, pid }) => {
      const known = entries.get(id);
      if (known === undefined) return pid !== 0 && (await isStillRunning(host, { id, pid }));
      const start = await startOf(host, known.container.pid);
      return start === 'unreadable' || start === known.startTicks;
    },
    get: (id) => entries.get(id)?.container,
    of: (engine) => [...entries.values()].map(({ container }) => container).filter((each) => each.engine === engine),
    delete: (id) => void entries.delete(id),
    retain: (engines) => {
      for (const [id, { container }] of entries) if (!engines.has(container.engine)) entries.delete(id);
    },
  };
}

/** Start of a process that has not ended, in ticks since boot. */
async function startOf(host: Host, pid: number): Promise<number | 'ended' | 'unreadable'> {
  const stat = await readText(host, `/proc/${String(pid)}/stat`);
  if (!stat.ok) return stat.code === 'absent' ? 'ended' : 'unreadable';
  const state = parseState(stat.value);
  // A zombie has a start too; its other threads may run on.
  if (state === 'X' || (state === 'Z' && (await liveDirectory(host, pid)) === undefined)) return 'ended';
  return parseStartTicks(stat.value) ?? 'unreadable';
}

/** For how many seconds a process has run; 0 where the kernel does not say. */
export async function ageOf(host: Host, pid: number): Promise<number> {
  const startTicks = await startOf(host, pid);
  const uptime = await readText(host, '/proc/uptime');
  if (!uptime.ok || typeof startTicks !== 'number') return 0;
  return Math.max(0, Number.parseFloat(uptime.value) - startTicks / TICKS_PER_SECOND);
}
