import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { startDockerd, TEST_IMAGE } from '../../scripts/dockerd.mjs';
import { NODE, ROOT } from '../../scripts/setup.mjs';

/** The findings of this machine with three containers on it, as `plimsoll scan -o json` prints them. */
export async function scanTemplates(): Promise<string> {
  const daemon = await startDockerd();
  if (daemon.socket === undefined) throw new Error(`no Docker daemon: ${daemon.reason}`);
  const env = { ...process.env, DOCKER_HOST: `unix://${daemon.socket}` };
  const outputOf = (command: string, ...args: string[]): string =>
    spawnSync(command, args, { env, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 }).stdout;
  try {
    for (const name of ['web', 'shop', 'db'])
      outputOf('docker', 'run', '-d', '--name', `bench-${name}`, TEST_IMAGE, '/bin/sleep', '36000');
    return outputOf(NODE, join(ROOT, 'bin', 'plimsoll.js'), 'scan', '--output', 'json');
  } finally {
    await daemon.stop();
  }
}
