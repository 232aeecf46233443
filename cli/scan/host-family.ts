import { open } from 'node:fs/promises';
import { familyOf } from '../../posture/remediation/commands.ts';
import type { Family } from '../../posture/remediation/commands.ts';

/** Where os-release(5) is, in this order; it has some hundred bytes. */
const PATHS: readonly string[] = ['/etc/os-release', '/usr/lib/os-release'];
const MAX_BYTES = 16 * 1024;

/** The family of the distribution that this program runs on; undefined where it is not known. */
export async function familyOfThisHost(): Promise<Family | undefined> {
  for (const path of PATHS) {
    const text = await readStart(path);
    if (text !== undefined) return familyOf(text);
  }
  return undefined;
}

async function readStart(path: string): Promise<string | undefined> {
  const file = await open(path).catch(() => undefined);
  try {
    const read = await file?.read(Buffer.alloc(MAX_BYTES), 0, MAX_BYTES, 0);
    return read?.buffer.toString('utf8', 0, read.bytesRead);
  } finally {
    await file?.close();
  }
}
