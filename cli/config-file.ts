import { open } from 'node:fs/promises';

/** One byte more than a configuration may have characters is enough to see that it is too long. */
const MAX_BYTES = 1024 * 1024;

/** The text of a configuration file; undefined if it does not exist; rejects if it cannot be read. */
export async function readConfigFile(path: string): Promise<string | undefined> {
  const file = await open(path, 'r').catch((error: unknown) => {
    if ((error as { code?: unknown }).code === 'ENOENT') return undefined;
    throw error;
  });
  if (file === undefined) return undefined;
  try {
    if (!(await file.stat()).isFile()) throw new Error('it is no regular file');
    const { buffer, bytesRead } = await file.read(Buffer.alloc(MAX_BYTES), 0, MAX_BYTES, 0);
    return buffer.toString('utf8', 0, bytesRead);
  } finally {
    await file.close();
  }
}
