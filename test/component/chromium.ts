import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { chromium } from 'playwright-core';
import type { Browser } from 'playwright-core';

/** The Chromium of this machine; undefined: there is none, and a test that needs it is skipped. */
export function findChromium(): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/bin', '/usr/local/bin'];
  const names = ['chromium', 'chromium-browser', 'google-chrome'];
  const absent = (process.env['PLIMSOLL_TEST_ABSENT'] ?? '').split(',').includes('chromium');
  if (absent) return undefined;
  return folders
    .filter((folder) => folder !== '')
    .flatMap((folder) => names.map((name) => join(folder, name)))
    .find((path) => existsSync(path));
}

/** Why tests that need a browser are skipped; false where there is one. For the `skip` option of a test. */
export const noChromium: string | false = findChromium() === undefined ? 'no Chromium' : false;

/** Starts the browser of this machine, without a window. Root has no sandbox of the browser's own. */
export async function launchChromium(): Promise<Browser> {
  const executablePath = findChromium();
  if (executablePath === undefined) throw new Error('no Chromium');
  const args = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
  return chromium.launch({ executablePath, args: [...args, '--disable-dev-shm-usage', '--disable-gpu'] });
}
