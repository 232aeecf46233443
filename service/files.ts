import { mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { randomBytes } from 'node:crypto';
import { dirname } from 'node:path';

/** Only the owner may read and write. */
export const PRIVATE_FILE = 0o600;
/** Only the owner may enter. */
const PRIVATE_DIRECTORY = 0o700;

/**
 * Writes `content` so that a reader, or a restart after a crash, sees the old file or the new one, never a part:
 * temporary file beside it, fsync, rename, fsync of the directory. Rejects with the error of the file system.
 */
export async function writeFileAtomic(path: string, content: string | Uint8Array, mode: number): Promise<void> {
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    // wx: never through a file or link that someone else put there.
    const file = await open(temporary, 'wx', mode);
    try {
      await file.chmod(mode); // whatever the umask is
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await syncDirectory(dirname(path));
}

/**
 * Creates the directory, and those above it, for the owner only. One that exists keeps its mode. Rejects with the error
 * of the file system. Not `recursive` of Node: where mkdir(2) says ENOENT although what is above exists, as below
 * /proc, that goes up and down for ever.
 */
export async function makePrivateDirectory(path: string): Promise<void> {
  try {
    return await makeDirectory(path);
  } catch (error) {
    if (errorCode(error) !== 'ENOENT' || dirname(path) === path) throw error;
  }
  await makePrivateDirectory(dirname(path));
  await makeDirectory(path);
}

async function makeDirectory(path: string): Promise<void> {
  try {
    await mkdir(path, { mode: PRIVATE_DIRECTORY });
  } catch (error) {
    if (errorCode(error) !== 'EEXIST' || !(await stat(path)).isDirectory()) throw error;
  }
}

/** Makes a rename or a new file in `path` durable. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

/** The `code` of an error of the file system (`ENOENT`), otherwise its message. */
export function errorCode(error: unknown): string {
  if (error instanceof Error) return (error as NodeJS.ErrnoException).code ?? error.message;
  return String(error);
}
