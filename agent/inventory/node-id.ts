import { randomBytes } from 'node:crypto';
import { mkdir, open, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Host } from '../host/host.ts';

/** machine-id(5): 32 hexadecimal digits, lower case. */
const MACHINE_ID = /^[0-9a-f]{32}$/;

/**
 * The id of the node: its machine id, otherwise one that is made once and kept in `file` (mode 0600), otherwise one for
 * this process only. An image whose machine id was never set (`uninitialized`, empty) has none.
 */
export async function nodeId(host: Host, file: string | undefined): Promise<string> {
  for (const path of ['/etc/machine-id', '/var/lib/dbus/machine-id']) {
    const read = await host.readFile(path, { maxBytes: 256 });
    const id = read.ok ? read.value.toString('latin1').trim() : '';
    if (MACHINE_ID.test(id) && !/^0+$/.test(id)) return id;
  }
  const made = randomBytes(16).toString('hex');
  return file === undefined ? made : keptId(file, made);
}

async function keptId(file: string, made: string): Promise<string> {
  const kept = await readKept(file);
  if (kept !== undefined) return kept;
  try {
    await mkdir(dirname(file), { recursive: true, mode: 0o700 });
    // Exclusive: of two that start at the same time one writes, and the other takes what it wrote.
    const handle = await open(file, 'wx', 0o600);
    try {
      await handle.writeFile(`${made}\n`);
      await handle.sync();
    } finally {
      await handle.close();
    }
    return made;
  } catch {
    // A data directory that cannot be written is told by those who need it more; the id then lasts for this process.
    return (await readKept(file)) ?? made;
  }
}

async function readKept(file: string): Promise<string | undefined> {
  try {
    const id = (await readFile(file, 'latin1')).trim();
    return MACHINE_ID.test(id) ? id : undefined;
  } catch {
    return undefined;
  }
}
