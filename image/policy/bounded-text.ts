import { constants } from 'node:fs';
import { open } from 'node:fs/promises';

/** Outcome of {@link readBoundedText}; `reason` is for people and quotes nothing of the file. */
export type BoundedText =
  { readonly ok: true; readonly text: string } | { readonly ok: false; readonly reason: string };

/**
 * The text of a regular file of at most `maxBytes` in UTF-8. Links are followed, as a mounted ConfigMap consists of
 * them; pipes and devices are refused without waiting for them. Never rejects.
 */
export async function readBoundedText(path: string, maxBytes: number): Promise<BoundedText> {
  try {
    await using file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
    if (!(await file.stat()).isFile()) return { ok: false, reason: 'is not a regular file' };
    // One byte more than allowed: the size may have been told wrong, and may grow.
    const buffer = new Uint8Array(maxBytes + 1);
    let length = 0;
    for (;;) {
      const { bytesRead } = await file.read(buffer, length, buffer.length - length, length);
      length += bytesRead;
      if (bytesRead === 0 || length > maxBytes) break;
    }
    if (length > maxBytes) return { ok: false, reason: `is larger than ${String(maxBytes)} bytes` };
    return { ok: true, text: new TextDecoder('utf-8', { fatal: true }).decode(buffer.subarray(0, length)) };
  } catch (error) {
    return { ok: false, reason: reasonOf(error) };
  }
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
    case 'ERR_ENCODING_INVALID_ENCODED_DATA':
      return 'is not UTF-8 text';
    default:
      return code === '' ? 'cannot be read' : `cannot be read (${code})`;
  }
}
