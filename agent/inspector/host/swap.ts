import { mountAt } from '../../../posture/check/mount.ts';
import { seen, unreadable } from '../../../posture/observed.ts';
import type { HostFact } from '../../../posture/fact/host.ts';
import type { Host } from '../../host/host.ts';
import { clip } from '../clip.ts';
import type { CachedHost } from '../parse-cache.ts';
import { nodeMounts } from '../proc/node-mounts.ts';
import { observeText, readText, unseen } from '../read-text.ts';

const SWAPS = '/proc/swaps';
const BLOCK = '/sys/block';
/** Devices on devices: LVM on LUKS on RAID on disks is three. */
const MAX_DEPTH = 8;
const MAX_DEVICES = 1024;

/** Targets of dm-crypt by the beginning of their uuid, libcryptsetup. Integrity and verity hide nothing. */
const ENCRYPTING = /^CRYPT-(?:LUKS\d|PLAIN|TCRYPT|LOOPAES|BITLK|FVAULT2|TEMP)/;

/** Thrown within this file alone: what could not be read. */
class Unread extends Error {
  readonly path: string;
  constructor(path: string, reason: string) {
    super(reason);
    this.path = path;
  }
}

/** `/proc/swaps`: `Filename Type Size Used Priority`, the first line is a head. A space in a name is `\040`. */
export async function readSwap(access: CachedHost): Promise<HostFact['swap']> {
  const read = await readText(access.host, SWAPS, 64 * 1024);
  // A kernel without swap has no such file.
  if (!read.ok) return read.code === 'absent' ? seen([], SWAPS) : unseen(read, SWAPS);
  const areas = [];
  try {
    for (const line of read.value.split('\n').slice(1, 65)) {
      const [name = '', type] = line.split(/\s+/);
      if (name === '') continue;
      const path = name.replaceAll(/\\([0-7]{3})/g, (_, octal: string) =>
        String.fromCharCode(Number.parseInt(octal, 8)),
      );
      const isProtected =
        type === 'file' ? await isFileProtected(access, path, 0) : await isDeviceProtected(access, path, 0);
      areas.push({ path: clip(path, 4096), protected: isProtected });
    }
  } catch (error) {
    if (error instanceof Unread) return unreadable(clip(error.path, 4096), error.message);
    throw error;
  }
  return seen(areas, SWAPS);
}

/** A file is as protected as the device that its file system is on. */
async function isFileProtected(access: CachedHost, path: string, depth: number): Promise<boolean> {
  const mounts = await nodeMounts(access, '1');
  if (!mounts.ok) throw new Unread('/proc/1/mountinfo', mounts.reason);
  const mount = mountAt(mounts.value.entries, path);
  if (mount === undefined) throw new Unread('/proc/1/mountinfo', `nothing is mounted above ${path}`);
  // Memory: what is there goes to swap itself.
  if (mount.fsType === 'tmpfs' || mount.fsType === 'ramfs') return true;
  // btrfs gives a device of its own to what it mounts, and names one of its devices.
  if (mount.device.startsWith('0:')) return isDeviceProtected(access, mount.source, depth + 1);
  const link = await access.host.readLink(`/sys/dev/block/${mount.device}`);
  if (link.ok) return isProtected(access, link.value.slice(link.value.lastIndexOf('/') + 1), depth + 1);
  return isDeviceProtected(access, mount.source, depth + 1);
}

async function isDeviceProtected(access: CachedHost, path: string, depth: number): Promise<boolean> {
  const name = await blockName(access.host, path);
  return name !== undefined && isProtected(access, name, depth);
}

/** The name that the kernel gives to a device: `dm-1` for `/dev/mapper/x`, which is a link, or without udev a node. */
async function blockName(host: Host, path: string): Promise<string | undefined> {
  const direct = /^\/dev\/([\w-]{1,64})$/.exec(path)?.[1];
  if (direct !== undefined) return direct;
  const stat = await host.stat(path);
  if (!stat.ok && stat.code !== 'absent') throw new Unread(path, stat.reason);
  const real = stat.ok ? /^\/dev\/([\w-]{1,64})$/.exec(stat.value.realPath)?.[1] : undefined;
  if (real !== undefined || !path.startsWith('/dev/mapper/')) return real;
  const listed = await host.list(BLOCK, { maxEntries: MAX_DEVICES });
  if (!listed.ok) throw new Unread(BLOCK, listed.reason);
  for (const name of listed.value.filter((each) => each.startsWith('dm-')))
    if ((await textOf(host, `${BLOCK}/${name}/dm/name`)) === path.slice('/dev/mapper/'.length)) return name;
  return undefined;
}

/** Does nothing reach a disk in the clear? Partitions and disks are not in question: they hold what they are given. */
async function isProtected(access: CachedHost, name: string, depth: number): Promise<boolean> {
  const { host } = access;
  const at = `${BLOCK}/${name}`;
  if (depth > MAX_DEPTH) throw new Unread(at, 'too many devices on one another');
  if (name.startsWith('zram')) {
    // zram.rst: with a backing device, pages are written to it; they are compressed, not encrypted.
    const backing = await textOf(host, `${at}/backing_dev`);
    return backing === undefined || backing === 'none' || isDeviceProtected(access, backing, depth + 1);
  }
  if (ENCRYPTING.test((await textOf(host, `${at}/dm/uuid`)) ?? '')) return true;
  const file = await textOf(host, `${at}/loop/backing_file`);
  if (file !== undefined) return isFileProtected(access, file, depth + 1);
  const slaves = await host.list(`${at}/slaves`, { maxEntries: MAX_DEVICES });
  if (!slaves.ok && slaves.code !== 'absent') throw new Unread(`${at}/slaves`, slaves.reason);
  if (!slaves.ok || slaves.value.length === 0) return false;
  for (const slave of slaves.value) if (!(await isProtected(access, slave, depth + 1))) return false;
  return true;
}

async function textOf(host: Host, path: string): Promise<string | undefined> {
  const found = await observeText(host, path, (text) => text.trim(), 8192);
  if (found.state === 'unreadable') throw new Unread(path, found.reason);
  return found.state === 'seen' ? found.value : undefined;
}
