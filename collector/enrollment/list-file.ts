import { constants, open } from 'node:fs/promises';
import type { Schema } from '../../posture/schema.ts';
import { errorCode, PRIVATE_FILE, writeFileAtomic } from '../../service/files.ts';
import { createMutex } from '../session/mutex.ts';
import { StartError } from '../start-error.ts';

/** A list that is kept in a small JSON file, readable by its owner only. */
export interface ListFile<T> {
  readonly all: () => readonly T[];
  /**
   * Replaces the list with what `change` makes of it. Changes run one after the other; one is durable when the promise
   * resolves, and not visible before. Rejects with the error of the file system, and then nothing has changed.
   */
  readonly update: (change: (list: readonly T[]) => readonly T[]) => Promise<void>;
}

const MAX_BYTES = 16 * 1024 * 1024;

/**
 * Opens the list at `path`; without a file it is empty. Throws {@link StartError} for a file that cannot be read or is
 * damaged: taken for empty, it would make a revoked certificate valid again.
 */
export async function openListFile<T>(path: string, schema: Schema<readonly T[]>): Promise<ListFile<T>> {
  let list = await readList(path, schema);
  const mutex = createMutex();
  return {
    all: () => list,
    update: async (change) => {
      const release = await mutex.acquire();
      try {
        const next = change(list);
        if (next === list) return;
        await writeFileAtomic(path, `${JSON.stringify(next, null, 1)}\n`, PRIVATE_FILE);
        list = next;
      } finally {
        release();
      }
    },
  };
}

async function readList<T>(path: string, schema: Schema<readonly T[]>): Promise<readonly T[]> {
  let text: string;
  try {
    // Non-blocking: a FIFO in its place must not stop the start.
    const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const { size, mode } = await file.stat();
      if (size > MAX_BYTES) throw damaged(path, 'it is too large');
      if ((mode & 0o022) !== 0) throw damaged(path, 'other users can write to it');
      text = await file.readFile('utf8');
    } finally {
      await file.close();
    }
  } catch (error) {
    if (error instanceof StartError) throw error;
    if (errorCode(error) === 'ENOENT') return [];
    throw damaged(path, errorCode(error), error);
  }
  try {
    const parsed = schema.parse(JSON.parse(text));
    if (parsed.ok) return parsed.value;
    throw damaged(path, parsed.problem);
  } catch (error) {
    throw error instanceof StartError ? error : damaged(path, 'it is not JSON', error);
  }
}

function damaged(path: string, reason: string, cause?: unknown): StartError {
  return new StartError('directory', `${path} cannot be used: ${reason}`, 'restore it from a backup', cause);
}
