import type { Host, Read } from '../../host/host.ts';
import { readText } from '../read-text.ts';
import type { Recall } from '../recall.ts';
import { parseMountinfo } from './mountinfo.ts';
import type { MountEntry } from './mountinfo.ts';

/** A table of mounts is longer than other files of /proc. */
export const MAX_MOUNTINFO_BYTES = 8 * 1024 * 1024;

/** Of the node's own mounts only these are asked for: the cgroup hierarchies, and what may cover the firmware. */
const ASKED_FOR = /\bcgroup|\/sys\/firmware/;

/**
 * The cgroup file systems and what stands at /sys/firmware, as pid 1 or the agent itself has them mounted. The kernel
 * needs milliseconds to write this table where containers run, since each has a line in it: it is read once for all that
 * ask at about the same time, and only the lines that are asked for are parsed.
 */
export async function nodeMounts(
  { host, recall }: { readonly host: Host; readonly recall: Recall },
  pid: '1' | 'self',
): Promise<Read<readonly MountEntry[]>> {
  const path = `/proc/${pid}/mountinfo`;
  return recall.shortly(path, async (): Promise<Read<readonly MountEntry[]>> => {
    const read = await readText(host, path, MAX_MOUNTINFO_BYTES);
    if (!read.ok) return read;
    const lines = read.value.split('\n').filter((line) => ASKED_FOR.test(line));
    return { ok: true, value: parseMountinfo(lines.join('\n')) };
  });
}
