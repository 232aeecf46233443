import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';
import { runCollector } from '../../collector/main.ts';
import type { CollectorOptions, CollectorReady } from '../../collector/main.ts';
import { systemClock } from '../../service/clock.ts';
import { loadSettings } from '../../service/config/load.ts';
import type { Logger } from '../../service/log.ts';
import { DATABASE_WORKER } from '../fixture/workers.ts';

const SILENT: Logger = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };

/** A new directory, removed with the test. */
export function directoryOf(t: Test): string {
  const directory = mkdtempSync(join(tmpdir(), 'plimsoll-collector-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** Runs a collector on free ports; `ready` rejects with what stopped it from starting. */
export async function collector(
  t: Test,
  flags: Readonly<Record<string, string>>,
  more: Partial<Pick<CollectorOptions, 'clock' | 'diskProbe'>> = {},
) {
  const loaded = await loadSettings({
    programs: ['collector'],
    flags: { listen: '127.0.0.1:0', api: '127.0.0.1:0', ...flags },
    environment: {},
    readFile: () => Promise.resolve(undefined),
    uid: 0,
    home: '/root',
  });
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
  const stop = new AbortController();
  const { promise: ready, resolve, reject } = Promise.withResolvers<CollectorReady>();
  const over = runCollector({
    settings: loaded.settings,
    version: '0.1.0',
    clock: systemClock(),
    log: SILENT,
    signal: stop.signal,
    onReady: resolve,
    databaseWorker: DATABASE_WORKER,
    inventoryWorker: new URL('../../image/inventory/worker.ts', import.meta.url),
    standardOutput: process.stderr,
    ...more,
  });
  over.catch(reject);
  const end = async (): Promise<void> => {
    stop.abort();
    await over.catch(() => undefined);
  };
  t.teardown(end);
  return { ready, over, end };
}
