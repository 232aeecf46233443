import { constants } from 'node:fs';
import type { Stats } from 'node:fs';
import { open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';

/** Outcome of {@link readBoundedText}; `reason` is for people and quotes nothing of the file. */
export type BoundedText =
  { readonly ok: true; readonly text: string } | { readonly ok: false; readonly reason: string };

/** Outcome of {@link readBoundedFile}. */
export type BoundedFile =
  { readonly ok: true; readonly bytes: Uint8Array } | { readonly ok: false; readonly reason: string };

/** The text of a regular file in UTF-8; see {@link readBoundedFile}. */
export async function readBoundedText(path: string, maxBytes: number): Promise<BoundedText> {
  const file = await readBoundedFile(path, maxBytes);
  if (!file.ok) return file;
  try {
    return { ok: true, text: new TextDecoder('utf-8', { fatal: true }).decode(file.bytes) };
  } catch {
    return { ok: false, reason: 'is not UTF-8 text' };
  }
}

/**
 * The content of a regular file of at most `maxBytes`. Links are followed, as a mounted ConfigMap consists of them; pipes
 * and devices are refused without waiting for them. Never rejects.
 */
export async function readBoundedFile(path: string, maxBytes: number): Promise<BoundedFile> {
  try {
    await using file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
    const { size } = await regularFile(file);
    // The stated size may be wrong, and the file may grow: one byte more than allowed is read.
    if (size > maxBytes) return { ok: false, reason: `is larger than ${String(maxBytes)} bytes` };
    const parts: Uint8Array[] = [];
    let length = 0;
    for (;;) {
      const { bytesRead, buffer } = await file.read(new Uint8Array(64 * 1024), 0, 64 * 1024, length);
      length += bytesRead;
      if (bytesRead === 0) break;
      if (length > maxBytes) return { ok: false, reason: `is larger than ${String(maxBytes)} bytes` };
      parts.push(buffer.subarray(0, bytesRead));
    }
    return { ok: true, bytes: Buffer.concat(parts) };
  } catch (error) {
    return { ok: false, reason: reasonOf(error) };
  }
}

async function regularFile(file: FileHandle): Promise<Stats> {
  const stats = await file.stat();
  if (!stats.isFile()) throw new NotRegularError('not a regular file');
  return stats;
}

class NotRegularError extends Error {
  readonly code = 'NOT_REGULAR';
}

function reasonOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  switch (code) {
    case 'ENOENT':
      return 'does not exist';
    case 'EACCES':
    case 'EPERM':
      return 'may not be read';
    case 'EISDIR':
      return 'is a directory';
    case 'ELOOP':
      return 'is a loop of links';
    case 'NOT_REGULAR':
      return 'is not a regular file';
    default:
      return code === '' ? 'cannot be read' : `cannot be read (${code})`;
  }
}
