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

/**
 * The limit of a cgroup, or of the nearest ancestor that has one; -1 where none has. A controller that is not switched
 * on for a cgroup has no file there.
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
  for (let depth = 0; depth < MAX_ANCESTORS; depth += 1) {
    const source = `${path}/${file}`;
    const value = await read(source);
    if (!value.ok && value.code !== 'absent') return unreadable(source, value.reason);
    if (value.ok) {
      nearest ??= source;
      if (value.value >= 0) return seen(value.value, source);
    }
    if (path.length <= directory.top.length) break;
    path = path.slice(0, path.lastIndexOf('/'));
  }
  return seen(-1, nearest ?? `${directory.path}/${file}`);
}

/** One limit file. */
export async function readLimit(host: Host, path: string): Promise<Read<number>> {
  const read = await readText(host, path);
  if (!read.ok) return read;
  const value = parseLimit(read.value);
  return value === undefined
    ? { ok: false, code: 'failed', reason: 'its content is not understood' }
    : { ok: true, value };
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
