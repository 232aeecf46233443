import type { Read } from '../../host/host.ts';
import { NODE_SUBJECT } from '../parse-cache.ts';
import type { CachedHost } from '../parse-cache.ts';
import { createMountTable } from './mount-table.ts';
import type { MountTable } from './mount-table.ts';
import { parseMountinfo } from './mountinfo.ts';

/** A table of mounts is longer than other files of /proc. */
export const MAX_MOUNTINFO_BYTES = 8 * 1024 * 1024;

/**
 * The mounts of the node as pid 1 or the agent itself has them. The kernel needs milliseconds to write this table where
 * containers run, since each has a line in it: it is read once for all that ask at about the same time.
 */
export function nodeMounts(access: CachedHost, pid: '1' | 'self'): Promise<Read<MountTable>> {
  return access.cache.memoizeFor(pathOf(pid), () => readNodeMounts(access, pid));
}

/** The same as of now; parsed only where it changed. */
export async function readNodeMounts({ host, cache }: CachedHost, pid: '1' | 'self'): Promise<Read<MountTable>> {
  const path = pathOf(pid);
  const read = await host.readFile(path, { maxBytes: MAX_MOUNTINFO_BYTES });
  if (!read.ok) return read;
  const value = cache.parsed(NODE_SUBJECT, path, read.value, (bytes) =>
    createMountTable(parseMountinfo(bytes.toString('utf8'))),
  );
  return { ok: true, value };
}

function pathOf(pid: '1' | 'self'): string {
  return `/proc/${pid}/mountinfo`;
}
