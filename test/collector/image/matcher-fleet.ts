import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Test } from 'tap';
import { followRunningImages } from '../../../collector/image/running-images.ts';
import { startVulnerabilityMatcher } from '../../../collector/image/vulnerability-matcher.ts';
import { createEventBus } from '../../../collector/store/event-bus.ts';
import { openSqliteStore } from '../../../collector/store/sqlite.ts';
import { buildDatabase } from '../../../image/vulndb/build.ts';
import { encodeInventory } from '../../../proto/inventory-codec.ts';
import { systemClock } from '../../../service/clock.ts';
import type { Inventory } from '../../../vulnerability/package.ts';
import { DATABASE_WORKER } from '../../fixture/workers.ts';
import { nodeRow } from '../store/fleet.ts';

export const DAY_MS = 86_400_000;
export const DEBIAN = { id: 'debian', versionId: '12', codename: 'bookworm', like: [] };

/** An OSV record of Debian 12: `name` is affected below `fixed`. */
export const advisory = (id: string, name: string, fixed: string) => ({
  id: `DEBIAN-${id}`,
  upstream: [id],
  modified: '2026-06-01T00:00:00Z',
  published: '2026-06-01T00:00:00Z',
  affected: [
    {
      package: { ecosystem: 'Debian:12', name },
      ranges: [{ type: 'ECOSYSTEM', events: [{ introduced: '0' }, { fixed }] }],
    },
  ],
});

/** `feeds`: other files of the input by name. */
export async function build(
  output: string,
  records: readonly object[],
  builtAt: number,
  feeds: Readonly<Record<string, string>> = {},
): Promise<void> {
  const from = mkdtempSync(join(tmpdir(), 'plimsoll-osv-'));
  writeFileSync(join(from, 'debian.ndjson'), records.map((record) => JSON.stringify(record)).join('\n'));
  for (const [name, text] of Object.entries(feeds)) writeFileSync(join(from, name), text);
  const { signal } = new AbortController();
  const built = await buildDatabase({ from: [from], output, builtAt, signal, onProgress: () => {} });
  rmSync(from, { recursive: true, force: true });
  if (!built.ok) throw new Error(built.problem);
}

export async function until(t: Test, condition: () => Promise<boolean>): Promise<void> {
  for (let left = 400; left > 0; left -= 1) {
    if (await condition()) return;
    await delay(25);
  }
  t.fail('did not happen in time');
}

/** What the log of a matcher says about one round. */
interface Judged {
  /** Package versions that were matched. */
  readonly packages: number;
  /** Package versions about which the database says what the one before said. */
  readonly unchanged: number;
}

/** A fleet of two nodes; both run `shop`, one of them also `web`. */
export async function startFleet(t: Test) {
  const directory = mkdtempSync(join(tmpdir(), 'plimsoll-matcher-'));
  const path = join(directory, 'vulndb.sqlite');
  for (const name of ['vex', 'waivers']) mkdirSync(join(directory, name));
  const store = await openSqliteStore({ path: join(directory, 'store.sqlite') });
  const eventBus = createEventBus();
  const container = (id: string, imageId: string) => ({
    id,
    name: id,
    image: `${imageId.slice(7)}:1`,
    imageId,
    startedAt: '',
  });
  await store.putNodes([
    nodeRow({ id: 'n1', containers: [container('c1', 'sha256:shop'), container('c2', 'sha256:web')] }),
  ]);
  await store.putNodes([nodeRow({ id: 'n2', name: 'web-2', containers: [container('c3', 'sha256:shop')] })]);
  const running = await followRunningImages(store, eventBus);
  const add = async (nodeId: string, images: Readonly<Record<string, Inventory>>): Promise<void> => {
    const entries = await Promise.all(
      Object.entries(images).map(async ([imageId, inventory]) => {
        const { digest, bytes } = await encodeInventory(inventory);
        return { imageId, inventory, digest, bytes };
      }),
    );
    const claims = entries.map(({ imageId, digest }) => ({ imageId, digest, source: 'layers', problem: '' }) as const);
    await store.images.putClaims(nodeId, claims, { isWhole: true, atMs: Date.now() });
    for (const { digest, inventory, bytes } of entries)
      await store.images.putInventory(digest, inventory, bytes, Date.now());
  };
  const start = (version = '1.0.0') => {
    const stop = new AbortController();
    const { signal } = stop;
    const rounds: Judged[] = [];
    const nothing = (): void => {};
    const options = {
      images: store.images,
      running,
      eventBus,
      path,
      maxAgeMs: 7 * DAY_MS,
      annotations: {
        vex: [join(directory, 'vex')],
        waivers: [join(directory, 'waivers')],
        keptIn: join(directory, 'data', 'annotations'),
      },
      version,
      databaseWorker: DATABASE_WORKER,
      clock: systemClock(),
      log: {
        debug: nothing,
        info: (fields: object, message: string): void => {
          if (message === 'package versions judged') rounds.push(fields as Judged);
        },
        warn: nothing,
        error: nothing,
      },
    };
    const matcher = startVulnerabilityMatcher({ ...options, signal });
    const end = async (): Promise<void> => {
      stop.abort();
      await matcher.over;
    };
    return { ...matcher, rounds, end };
  };
  t.teardown(async () => {
    await store.close();
    rmSync(directory, { recursive: true, force: true });
  });
  return { directory, path, store, eventBus, running, add, start };
}

export const inventory = (...packages: readonly (readonly [string, string])[]): Inventory => ({
  distribution: DEBIAN,
  packages: packages.map(([name, version]) => ({ type: 'deb', name, version, path: '/var/lib/dpkg/status' })),
  gaps: [],
});
