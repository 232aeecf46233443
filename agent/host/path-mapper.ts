import { realpathSync, statfsSync } from 'node:fs';
import { failure } from './failure.ts';
import type { Read } from './host.ts';

/** Where the file systems of the node are in ours. */
export interface PathMapperOptions {
  /** Where `/` of the node is mounted here; default `/`. */
  readonly root?: string | undefined;
  /** Where the node's procfs is mounted; default `<root>/proc`. */
  readonly procRoot?: string | undefined;
  /** Where the node's sysfs is mounted; default `<root>/sys`. */
  readonly sysRoot?: string | undefined;
}

/** The translation between a path of the node (`/etc/passwd`) and a path here (`/host/etc/passwd`). */
export interface PathMapper {
  /** Is the root of the node our own root? Then the kernel resolves links as the node does. */
  readonly isOwnRoot: boolean;
  readonly toNative: (path: string) => string;
  /** The reverse, for a path without links; undefined for a place outside the node. */
  readonly fromNative: (native: string) => string | undefined;
  /** Is the path on the kernel's own procfs or sysfs, whose files are memory and whose links stay inside? */
  readonly isVirtual: (path: string) => boolean;
}

// Magic numbers of statfs(2), from linux/magic.h.
const PROC_SUPER_MAGIC = 0x9fa0;
const SYSFS_MAGIC = 0x62656572;

// Links in these places may be made by people, or lead to the other file system (device-tree).
const HAS_FOREIGN_LINKS = /^\/(?:proc\/device-tree|sys\/fs\/bpf|sys\/kernel\/config)(?:\/|$)/;

// Reading these takes the lock of the process's memory map and can wait for what the process does meanwhile.
const TAKES_MEMORY_LOCK = /^\/proc\/[^/]+\/(?:task\/[^/]+\/)?(?:auxv|cmdline|environ|maps|mem|numa_maps|pagemap|smaps)/;

const MAGIC = String.raw`^/proc/(?:[0-9]+|self|thread-self)/(?:task/[0-9]+/)?(?:cwd|exe|root|(?:fd|map_files|ns)/[^/]+)`;
const MAGIC_LINK = new RegExp(`${MAGIC}(?:/|$)`);
const BENEATH_MAGIC_LINK = new RegExp(`${MAGIC}/`);

/** Is the path one of the links of /proc that jump to what a process has open, or beneath one? */
export const isMagic = (path: string): boolean => path.startsWith('/proc/') && MAGIC_LINK.test(path);

/** Does the path lead on through such a link: `/proc/1/root/etc`, but not `/proc/1/root` itself? */
export const leadsThroughMagic = (path: string): boolean => path.startsWith('/proc/') && BENEATH_MAGIC_LINK.test(path);

/** Finds where the node's file systems are. Throws where the root does not exist: nothing could be read. */
export function createPathMapper(options: PathMapperOptions): PathMapper {
  const root = realpathSync(options.root ?? '/');
  const prefix = root === '/' ? '' : root;
  const mounts = {
    '/proc': mountAt(options.procRoot ?? `${prefix}/proc`, PROC_SUPER_MAGIC),
    '/sys': mountAt(options.sysRoot ?? `${prefix}/sys`, SYSFS_MAGIC),
  };
  const mountOf = (path: string): '/proc' | '/sys' | undefined => {
    if (path === '/proc' || path.startsWith('/proc/')) return '/proc';
    return path === '/sys' || path.startsWith('/sys/') ? '/sys' : undefined;
  };
  return {
    isOwnRoot: prefix === '',
    toNative: (path) => {
      const mount = mountOf(path);
      if (mount !== undefined)
        return mounts[mount].native === mount ? path : mounts[mount].native + path.slice(mount.length);
      return path === '/' ? root : prefix + path;
    },
    fromNative: (native) => {
      for (const mount of ['/proc', '/sys'] as const) {
        if (`${native}/`.startsWith(`${mounts[mount].native}/`))
          return mount + native.slice(mounts[mount].native.length);
      }
      if (!`${native}/`.startsWith(`${prefix}/`)) return undefined;
      return native === prefix ? '/' : native.slice(prefix.length);
    },
    isVirtual: (path) => {
      const mount = mountOf(path);
      return (
        mount !== undefined && mounts[mount].real && !HAS_FOREIGN_LINKS.test(path) && !TAKES_MEMORY_LOCK.test(path)
      );
    },
  };
}

function mountAt(path: string, magic: number): { native: string; real: boolean } {
  try {
    const native = realpathSync(path);
    return { native, real: statfsSync(native).type === magic };
  } catch {
    // Not mounted here, or not for us: reads of it will say which.
    return { native: path, real: false };
  }
}

/** Longest path that the kernel takes (PATH_MAX of linux/limits.h, with its final zero). */
const MAX_PATH_BYTES = 4096;

/** The path without empty and `.` components. `..` stays: what it means depends on links. */
export function cleanPath(path: string): Read<string> {
  if (!path.startsWith('/')) return failure('failed', 'not an absolute path');
  if (path.includes('\0')) return failure('failed', 'not a path: it holds a zero byte');
  // No character takes more than three bytes for each of its UTF-16 units.
  if (path.length * 3 >= MAX_PATH_BYTES && Buffer.byteLength(path) >= MAX_PATH_BYTES)
    return failure('failed', 'file name too long (ENAMETOOLONG)');
  if (!path.includes('//') && !path.includes('/.') && (!path.endsWith('/') || path === '/')) {
    return { ok: true, value: path };
  }
  const components = path.split('/').filter((component) => component !== '' && component !== '.');
  return { ok: true, value: `/${components.join('/')}` };
}
