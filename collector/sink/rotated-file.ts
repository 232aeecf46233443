import { open, rename, rm, stat } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { errorCode, PRIVATE_FILE } from '../../service/files.ts';

/** Where lines go, and when a new file is begun. */
export interface RotatedFileOptions {
  readonly path: string;
  /** A file that would grow beyond this is set aside as `path.1`; the older ones move up. */
  readonly maxBytes: number;
  /** Files that are kept beside the current one; 0: the full file is deleted. */
  readonly keep: number;
}

/** A file that lines are appended to. */
export interface RotatedFile {
  /**
   * Appends text that ends with a newline, and waits until it is on disk (fdatasync). Rejects with the system's error
   * if it is not; what was written in part is then cut off again, so that the same text can be appended once more.
   */
  readonly append: (text: string) => Promise<void>;
  readonly close: () => Promise<void>;
}

interface Current {
  readonly handle: FileHandle;
  bytes: number;
}

/** Opens at the first append. A line that a crash left torn is ended there, so the next one starts on its own line. */
export function openRotatedFile(options: RotatedFileOptions): RotatedFile {
  let current: Current | undefined;
  const close = async (): Promise<void> => {
    const closing = current;
    current = undefined;
    await closing?.handle.close();
  };
  return {
    append: async (text) => {
      const bytes = Buffer.from(text);
      current ??= await openForAppend(options.path);
      if (current.bytes > 0 && current.bytes + bytes.length > options.maxBytes) {
        await close();
        await rotate(options);
        current = await openForAppend(options.path);
      }
      await appendWhole(current, bytes).catch(async (error: unknown) => {
        await close();
        throw error;
      });
    },
    close,
  };
}

async function appendWhole(file: Current, bytes: Buffer): Promise<void> {
  try {
    await file.handle.appendFile(bytes);
    await file.handle.datasync();
    file.bytes += bytes.length;
  } catch (error) {
    await file.handle.truncate(file.bytes).catch(() => undefined);
    throw error;
  }
}

async function openForAppend(path: string): Promise<Current> {
  const handle = await open(path, 'a+', PRIVATE_FILE);
  try {
    const { size } = await handle.stat();
    if (size === 0) return { handle, bytes: 0 };
    const last = Buffer.alloc(1);
    await handle.read(last, 0, 1, size - 1);
    if (last[0] === 0x0a) return { handle, bytes: size };
    await handle.appendFile('\n');
    return { handle, bytes: size + 1 };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

async function rotate({ path, keep }: RotatedFileOptions): Promise<void> {
  await rm(`${path}.${String(Math.max(keep, 1))}`, { force: true });
  for (let number = keep - 1; number >= 1; number -= 1)
    await moveIfThere(`${path}.${String(number)}`, `${path}.${String(number + 1)}`);
  if (keep === 0) await rm(path, { force: true });
  else await moveIfThere(path, `${path}.1`);
}

async function moveIfThere(from: string, to: string): Promise<void> {
  const there = await stat(from).then(
    () => true,
    (error: unknown) => {
      if (errorCode(error) === 'ENOENT') return false;
      throw error;
    },
  );
  if (there) await rename(from, to);
}
