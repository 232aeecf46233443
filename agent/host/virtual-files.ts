import { closeSync, constants, openSync, readSync, readdirSync, readlinkSync, realpathSync, statSync } from 'node:fs';
import { failure, failureFrom } from './failure.ts';
import type { Read } from './host.ts';
import type { Stats } from 'node:fs';

/**
 * Reading procfs and sysfs. Their files are memory: a system call on them takes microseconds, less than handing it to
 * a thread would, so these calls are synchronous. They say size 0 or 4096 whatever they hold, so they are read to the
 * end; and a short read is not the end (seq_file gives whole records).
 */
export interface VirtualFiles {
  /** `known`: what the file held earlier; the same object is returned where it still holds the same. */
  readonly read: (file: VirtualFile, maxBytes: number, known?: Buffer) => Read<Buffer>;
  readonly list: (native: string, maxEntries: number) => Read<readonly string[]>;
  readonly link: (native: string) => Read<string>;
  /** The path without links, and what is there. */
  readonly stat: (native: string) => Read<{ readonly realNative: string; readonly stats: Stats }>;
}

/** A path of procfs or sysfs, and how it is read. */
export interface VirtualFile {
  readonly native: string;
  /** A first read of fewer bytes returns the whole file; 0: only an empty read ends it. */
  readonly endsBelow: number;
  /** Where the part ends that is read; undefined: at the end of the file. */
  readonly endsBefore: RegExp | undefined;
}

const OPEN_FLAGS = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY;
const SCRATCH_BYTES = 64 * 1024;

/**
 * The kernel writes these as one record, or as records of a few digits (fs/proc/array.c, kernel/cgroup/cgroup.c): what
 * does not fill a page at once is all there is, and nobody needs to ask for the rest.
 */
const ONE_RECORD = /\/(?:\d+\/(?:cgroup|comm|limits|stat|status)|sys\/fs\/cgroup\/.*)$/;
const LESS_THAN_A_PAGE = 4000;

/**
 * A table of TCP sockets lists those that listen (state 0A) before all others (net/ipv4/tcp_ipv4.c, tcp_seq_start; Linux
 * 4.4). Only these are read: anyone can open connections until the others exceed every bound.
 */
const TCP_TABLE = /\/net\/tcp6?$/;
const NOT_LISTENING = /(?<=^|\n) *\d+: [\dA-F:]+ [\dA-F:]+ (?!0A)[\dA-F]{2} /;

/** How the file at a path is read. */
export function virtualFile(native: string): VirtualFile {
  return {
    native,
    endsBelow: ONE_RECORD.test(native) ? LESS_THAN_A_PAGE : 0,
    endsBefore: TCP_TABLE.test(native) ? NOT_LISTENING : undefined,
  };
}

/** One for each host: it owns the buffer that every read goes through. */
export function createVirtualFiles(): VirtualFiles {
  const scratch = Buffer.allocUnsafeSlow(SCRATCH_BYTES);
  return {
    read: (virtual, maxBytes, known) => {
      let file = -1;
      try {
        file = openSync(virtual.native, OPEN_FLAGS);
        return readToEnd(file, virtual, { maxBytes, scratch, known });
      } catch (error) {
        return failureFrom(error);
      } finally {
        if (file !== -1) closeSync(file);
      }
    },
    list: (native, maxEntries) =>
      attempt(() => {
        // Bounded by the kernel: as many entries as there are processes, threads or devices.
        const names = readdirSync(native);
        if (names.length > maxEntries) return failure('tooLarge', `more than ${String(maxEntries)} entries`);
        return { ok: true, value: names.sort() };
      }),
    link: (native) => attempt(() => ({ ok: true, value: readlinkSync(native) })),
    stat: (native) =>
      attempt(() => ({ ok: true, value: { realNative: realpathSync.native(native), stats: statSync(native) } })),
  };
}

interface Reading {
  readonly maxBytes: number;
  readonly scratch: Buffer;
  readonly known: Buffer | undefined;
}

function readToEnd(
  file: number,
  { endsBelow, endsBefore }: VirtualFile,
  { maxBytes, scratch, known }: Reading,
): Read<Buffer> {
  let full: Buffer[] | undefined;
  let before = 0;
  let filled = 0;
  for (;;) {
    const count = readSync(file, scratch, filled, scratch.length - filled, null);
    if (count === 0) break;
    filled += count;
    const end = endsBefore === undefined ? -1 : scratch.toString('latin1', filled - count, filled).search(endsBefore);
    if (end !== -1) {
      filled += end - count;
      break;
    }
    if (before + filled > maxBytes) return failure('tooLarge', `more than ${String(maxBytes)} bytes`);
    if (filled === scratch.length) {
      (full ??= []).push(Buffer.from(scratch));
      before += filled;
      filled = 0;
    }
    if (before + filled < endsBelow) break;
  }
  const isKnown = full === undefined && known?.length === filled && known.compare(scratch, 0, filled) === 0;
  if (isKnown) return { ok: true, value: known };
  const last = Buffer.from(scratch.subarray(0, filled));
  return { ok: true, value: full === undefined ? last : Buffer.concat([...full, last]) };
}

function attempt<T>(work: () => Read<T>): Read<T> {
  try {
    return work();
  } catch (error) {
    return failureFrom(error);
  }
}
