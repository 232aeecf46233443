import { open, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { syncDirectory } from '../../service/files.ts';

/** Mode of a database: it holds nothing secret, and collector and agents may run as other users. */
const DATABASE_MODE = 0o644;

/** Makes the bytes of a file durable and gives it the mode of a database. */
export async function makeDurable(path: string): Promise<void> {
  const file = await open(path, 'r+');
  try {
    await file.chmod(DATABASE_MODE);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Puts a durable file in the place of another: a reader, or a restart after a crash, sees the old one or the new one. */
export async function replaceFile(from: string, to: string): Promise<void> {
  await rename(from, to);
  await syncDirectory(dirname(to));
}
