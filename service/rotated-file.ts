import { constants } from 'node:fs';
import { open, rename, rm, stat } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { errorCode, PRIVATE_FILE, syncDirectory } from './files.ts';

/** Where lines go, and when a new file is begun. */
export interface RotatedFileOptions {
  readonly path: string;
  /** A file that would grow beyond this is renamed to `path.1`; the older ones move up. */
  readonly maxBytes: number;
  /** Files that are kept beside the current one; 0: the full file is deleted. */
  readonly keep: number;
}

/** A file that lines are appended to. */
export interface RotatedFile {
  /**
   * Appends lines, each with its newline, and waits until they are on the disk (fdatasync). Rejects with the error of
   * the system if they are not; a line that was written in part is then cut off again. Lines that went to a file that
   * was full before the failure stay there, and are appended again by the next attempt.
   */
  readonly append: (lines: readonly string[]) => Promise<void>;
  readonly close: () => Promise<void>;
}

interface Current {
  readonly handle: FileHandle;
  readonly inode: number;
  bytes: number;
}

const NEWLINE = 0x0a;

/** Opens at the first append. A line that a crash left torn is ended there, so that the next starts on its own line. */
export function openRotatedFile(options: RotatedFileOptions): RotatedFile {
  const { path, maxBytes } = options;
  let current: Current | undefined;
  const close = async (): Promise<void> => {
    const closing = current;
    current = undefined;
    await closing?.handle.close();
  };
  const opened = async (): Promise<Current> => {
    // Someone may have moved the file away (logrotate): what is written to it then, nobody finds.
    if (current !== undefined && current.inode !== (await inodeOf(path))) await close();
    current ??= await openForAppend(path);
    // Someone may have truncated it (logrotate's copytruncate).
    current.bytes = (await current.handle.stat()).size;
    return current;
  };
  const appendAll = async (lines: readonly string[]): Promise<void> => {
    let rest = lines.map((line) => Buffer.from(line));
    while (rest.length > 0) {
      const file = await opened();
      const fitting = countFitting(rest, maxBytes - file.bytes);
      if (fitting === 0 && file.bytes > 0) {
        await close();
        await rotate(options);
        continue;
      }
      // A line that is larger than a whole file has one of its own.
      const count = Math.max(fitting, 1);
      await appendWhole(file, Buffer.concat(rest.slice(0, count)));
      rest = rest.slice(count);
    }
  };
  return {
    append: async (lines) => {
      try {
        await appendAll(lines);
      } catch (error) {
        await close();
        throw error;
      }
    },
    close,
  };
}

/** How many of the first lines fit into this number of bytes. */
function countFitting(lines: readonly Buffer[], bytes: number): number {
  let left = bytes;
  const tooMany = lines.findIndex((line) => (left -= line.length) < 0);
  return tooMany === -1 ? lines.length : tooMany;
}

async function appendWhole(file: Current, bytes: Buffer): Promise<void> {
  try {
    await file.handle.appendFile(bytes);
    await file.handle.datasync();
    file.bytes += bytes.length;
  } catch (error) {
    // If not even this works, the torn line is ended when the file is opened again.
    await cutBack(file).catch(() => undefined);
    throw error;
  }
}

/** Removes what was appended; never extends a file that someone truncated meanwhile: that would fill it with NUL. */
async function cutBack({ handle, bytes }: Current): Promise<void> {
  if ((await handle.stat()).size > bytes) await handle.truncate(bytes);
}

async function openForAppend(path: string): Promise<Current> {
  // Non-blocking, so that a FIFO at this path is an error instead of blocking.
  const { O_RDWR, O_APPEND, O_CREAT, O_NONBLOCK } = constants;
  const handle = await open(path, O_RDWR | O_APPEND | O_CREAT | O_NONBLOCK, PRIVATE_FILE);
  try {
    const status = await handle.stat();
    if (!status.isFile()) throw Object.assign(new Error(`${path} is no regular file`), { code: 'not a regular file' });
    const { size, ino: inode } = status;
    if (size === 0) {
      // What is delivered must be found after a power cut: the name of a new file as well as what is in it.
      await syncDirectory(dirname(path));
      return { handle, inode, bytes: 0 };
    }
    const last = Buffer.alloc(1);
    await handle.read(last, 0, 1, size - 1);
    if (last[0] === NEWLINE) return { handle, inode, bytes: size };
    await handle.appendFile('\n');
    return { handle, inode, bytes: size + 1 };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

async function rotate({ path, keep }: RotatedFileOptions): Promise<void> {
  const numbered = (number: number): string => `${path}.${String(number)}`;
  if (keep === 0) return rm(path, { force: true });
  for (let number = keep - 1; number >= 1; number -= 1) await moveIfThere(numbered(number), numbered(number + 1));
  await moveIfThere(path, numbered(1));
}

/** Undefined if there is nothing. */
async function inodeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).ino;
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

async function moveIfThere(from: string, to: string): Promise<void> {
  if ((await inodeOf(from)) !== undefined) await rename(from, to);
}
