import { seen, unreadable } from '../../../posture/observed.ts';
import type { Observed } from '../../../posture/observed.ts';
import type { Host, Read } from '../../host/host.ts';
import { cgroupDirectory } from '../proc/cgroup.ts';
import type { CgroupEntry, CgroupMount } from '../proc/cgroup.ts';
import { readText } from '../read-text.ts';

/** Reads limit files; those of the cgroups above, which containers share, are read once. */
export interface LimitReader {
  readonly read: (path: string) => Promise<Read<number>>;
  /** What was read already. */
  readonly known: (path: string) => Read<number> | undefined;
}

/** One controller's limit: its name in version 1, and its file in both versions. */
export interface Limit {
  readonly controller: string;
  readonly unifiedFile: string;
  readonly legacyFile: string;
  /** The value of a cgroup without the file. Ancestors do not count then; otherwise the lowest limit does. */
  readonly ownDefault?: number;
}

/** Bytes of memory, cgroup-v2.rst and cgroup-v1/memory.rst. */
export const MEMORY_LIMIT: Limit = Object.freeze({
  controller: 'memory',
  unifiedFile: 'memory.max',
  legacyFile: 'memory.limit_in_bytes',
});
/** Number of tasks, cgroup-v1/pids.rst. */
export const PIDS_LIMIT: Limit = Object.freeze({
  controller: 'pids',
  unifiedFile: 'pids.max',
  legacyFile: 'pids.max',
});

/** Thousandths of a processor, cgroup-v2.rst and scheduler/sched-bwc.rst. */
export const CPU_LIMIT: Limit = Object.freeze({
  controller: 'cpu',
  unifiedFile: 'cpu.max',
  legacyFile: 'cpu.cfs_quota_us',
});
/** Thousandths of the default weight, which is 100 in version 2 and 1024 in version 1. */
export const CPU_WEIGHT: Limit = Object.freeze({
  controller: 'cpu',
  unifiedFile: 'cpu.weight',
  legacyFile: 'cpu.shares',
  ownDefault: 1000,
});
/** Number of processors, cgroup-v2.rst and cgroup-v1/cpusets.rst. */
export const CPU_SET: Limit = Object.freeze({
  controller: 'cpuset',
  unifiedFile: 'cpuset.cpus.effective',
  legacyFile: 'cpuset.effective_cpus',
});

/** Deeper than any engine nests a container. */
const MAX_ANCESTORS = 64;

/** A reader that remembers for as long as it is used. */
export function createLimitReader(host: Host): LimitReader {
  const asked = new Map<string, Promise<Read<number>>>();
  const known = new Map<string, Read<number>>();
  const read = async (path: string): Promise<Read<number>> => {
    const limit = await readLimit(host, path);
    known.set(path, limit);
    return limit;
  };
  return {
    read: (path) => {
      const reading = asked.get(path) ?? read(path);
      asked.set(path, reading);
      return reading;
    },
    known: (path) => known.get(path),
  };
}

/** The cgroup of the container itself: its processes may have made others below it and set limits there. */
export function containerEntries(entries: readonly CgroupEntry[], id: string): readonly CgroupEntry[] {
  return entries.map((entry) => {
    const at = entry.path.indexOf(id);
    const end = at === -1 ? -1 : entry.path.indexOf('/', at + id.length);
    return end === -1 ? entry : { controllers: entry.controllers, path: entry.path.slice(0, end) };
  });
}

/**
 * The lowest limit of a cgroup and its ancestors; -1 where none has one. A controller that is not enabled for a cgroup
 * has no file there.
 */
export async function effectiveLimit(
  read: LimitReader['read'],
  limit: Limit,
  mounts: readonly CgroupMount[],
  entries: readonly CgroupEntry[],
): Promise<Observed<number>> {
  const legacy = cgroupDirectory(mounts, entries, limit.controller);
  const directory = legacy ?? cgroupDirectory(mounts, entries, '');
  const file = legacy === undefined ? limit.unifiedFile : limit.legacyFile;
  if (directory === undefined)
    return unreadable(`${file} of the cgroup`, 'the cgroup file system is not mounted where the agent can read it');
  let { path } = directory;
  let nearest: string | undefined;
  let lowest: { readonly value: number; readonly source: string } | undefined;
  for (let depth = 0; depth < MAX_ANCESTORS; depth += 1) {
    const source = `${path}/${file}`;
    const value = await read(source);
    if (!value.ok && value.code !== 'absent') return unreadable(source, value.reason);
    if (limit.ownDefault !== undefined) return seen(value.ok ? value.value : limit.ownDefault, source);
    if (value.ok) {
      nearest ??= source;
      if (value.value >= 0 && value.value < (lowest?.value ?? Number.POSITIVE_INFINITY))
        lowest = { value: value.value, source };
    }
    if (path.length <= directory.top.length) break;
    path = path.slice(0, path.lastIndexOf('/'));
  }
  return lowest === undefined ? seen(-1, nearest ?? `${directory.path}/${file}`) : seen(lowest.value, lowest.source);
}

/** One limit file. A CPU quota of version 1 has its period in a file of its own. */
export async function readLimit(host: Host, path: string): Promise<Read<number>> {
  const slash = path.lastIndexOf('/');
  const name = path.slice(slash + 1);
  const read = await readText(host, path);
  if (!read.ok) return read;
  let text = read.value;
  if (name === CPU_LIMIT.legacyFile) {
    // No limit, whatever the period is.
    if (text.trim() === '-1') return { ok: true, value: -1 };
    const period = await readText(host, `${path.slice(0, slash)}/cpu.cfs_period_us`);
    if (!period.ok) return { ...period, code: 'failed' };
    text = `${text.trim()} ${period.value.trim()}`;
  }
  const value = (PARSERS[name] ?? parseLimit)(text);
  return value === undefined
    ? { ok: false, code: 'failed', reason: 'its content is not understood' }
    : { ok: true, value };
}

/** Files that hold something else than one limit. */
const PARSERS: Readonly<Record<string, (text: string) => number | undefined>> = Object.freeze({
  [CPU_LIMIT.unifiedFile]: parseQuota,
  [CPU_LIMIT.legacyFile]: parseQuota,
  [CPU_WEIGHT.unifiedFile]: (text) => parseWeight(text, 100),
  [CPU_WEIGHT.legacyFile]: (text) => parseWeight(text, 1024),
  [CPU_SET.unifiedFile]: countProcessors,
  [CPU_SET.legacyFile]: countProcessors,
});

/** `50000 100000`, quota and period in microseconds, in thousandths of a processor; `max 100000` or `-1 100000`: -1. */
export function parseQuota(text: string): number | undefined {
  const match = /^(max|-1|\d{1,15}) (\d{1,15})$/.exec(text.trim());
  if (match === null || Number(match[2]) === 0) return undefined;
  const quota = Number(match[1]);
  return quota >= 0 ? Math.round((quota * 1000) / Number(match[2])) : -1;
}

function parseWeight(text: string, normal: number): number | undefined {
  return /^\d{1,9}\s*$/.test(text) ? Math.round((Number(text) * 1000) / normal) : undefined;
}

/** The number of processors in `0-2,5`, cpuset(7). */
export function countProcessors(text: string): number | undefined {
  let count = 0;
  for (const part of text.trim().split(',')) {
    const [, first = '', last = first] = /^(\d{1,6})(?:-(\d{1,6}))?$/.exec(part) ?? [];
    if (first === '' || Number(last) < Number(first)) return undefined;
    count += Number(last) - Number(first) + 1;
  }
  return count;
}

/**
 * `max`, or a number; -1: no limit. Version 1 says "none" with the largest number of pages that fits a long,
 * 9223372036854771712 with pages of 4 KiB: whatever is beyond 2^53 is no limit that memory could reach.
 */
export function parseLimit(text: string): number | undefined {
  const word = text.trim();
  if (word === 'max' || word === '-1') return -1;
  if (!/^\d{1,20}$/.test(word)) return undefined;
  const value = Number(word);
  return Number.isSafeInteger(value) ? value : -1;
}
