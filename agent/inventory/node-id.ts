import { randomBytes } from 'node:crypto';
import { link, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Host } from '../host/host.ts';

/** machine-id(5): 32 hexadecimal digits, lower case. */
const MACHINE_ID = /^[0-9a-f]{32}$/;

/**
 * Returns the machine id of the node, or the result of `makeNodeId` for a node without one: an image whose machine id was
 * never set (`uninitialized`, empty).
 */
export async function nodeId(host: Host, makeNodeId: () => Promise<string>): Promise<string> {
  for (const path of ['/etc/machine-id', '/var/lib/dbus/machine-id']) {
    const read = await host.readFile(path, { maxBytes: 256 });
    const id = read.ok ? read.value.toString('latin1').trim() : '';
    if (MACHINE_ID.test(id) && !/^0+$/.test(id)) return id;
  }
  return makeNodeId();
}

/** Returns the id kept in `agent/node-id` of the data directory, or a new one, then kept there (0600) if that can be written. */
export async function keptNodeId(dataDir: string): Promise<string> {
  const file = join(dataDir, 'agent', 'node-id');
  const made = randomBytes(16).toString('hex');
  const kept = await readKept(file);
  if (kept !== undefined) return kept;
  const whole = `${file}.${made.slice(0, 8)}`;
  try {
    await makeDirectory(dirname(file));
    await writeFile(whole, `${made}\n`, { flag: 'wx', mode: 0o600, flush: true });
    return await publish(whole, file, made);
  } catch {
    // The spool reports a data directory that cannot be written; the id then lasts for this process.
    return made;
  } finally {
    await rm(whole, { force: true });
  }
}

/** Gives the whole file its name. Of two that start at the same time the first stays, and both answer its id. */
async function publish(whole: string, file: string, made: string): Promise<string> {
  try {
    await link(whole, file);
    return made;
  } catch {
    const kept = await readKept(file);
    if (kept !== undefined) return kept;
    await rename(whole, file);
    return made;
  }
}

async function makeDirectory(path: string): Promise<void> {
  try {
    // Not recursive: that never ends where the kernel refuses to make a directory with ENOENT, as /proc does.
    await mkdir(path, { mode: 0o700 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
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
