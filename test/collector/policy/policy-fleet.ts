import { createPublicKey } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Test } from 'tap';
import { followRunningImages } from '../../../collector/image/running-images.ts';
import type { DatabaseState } from '../../../collector/image/database-keeper.ts';
import { createSuppressionReview } from '../../../collector/image/suppression-review.ts';
import type { NodePostureSource } from '../../../collector/policy/node-posture.ts';
import { startPolicyService } from '../../../collector/policy/policy-service.ts';
import { createEventBus } from '../../../collector/store/event-bus.ts';
import { openSqliteStore } from '../../../collector/store/sqlite.ts';
import { readSnapshot } from '../../../image/policy/snapshot-file.ts';
import { buildDatabase } from '../../../image/vulndb/build.ts';
import { decideFromSnapshot } from '../../../policy/decide-from-snapshot.ts';
import { encodeInventory } from '../../../proto/inventory-codec.ts';
import { systemClock } from '../../../service/clock.ts';
import type { Inventory } from '../../../vulnerability/package.ts';
import { nodeRow } from '../store/fleet.ts';

export const quiet = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
export const DAY_MS = 86_400_000;
export const NO_REGISTRY = {
  registries: [],
  registryCredentials: 'none',
  registryCa: 'system',
  registryCheckInterval: DAY_MS,
};
const DEBIAN = { id: 'debian', versionId: '12', codename: 'bookworm', like: [] };
export const [SHOP, WEB, TWO, ROOT] = ['a', 'b', 'c', 'd'].map((digit) => `sha256:${digit.repeat(64)}`) as [
  string,
  string,
  string,
  string,
];

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

export async function build(output: string, records: readonly object[], builtAt: number): Promise<DatabaseState> {
  const from = mkdtempSync(join(tmpdir(), 'plimsoll-osv-'));
  writeFileSync(join(from, 'debian.ndjson'), records.map((record) => JSON.stringify(record)).join('\n'));
  const { signal } = new AbortController();
  const built = await buildDatabase({ from: [from], output, builtAt, signal, onProgress: () => {} });
  rmSync(from, { recursive: true, force: true });
  if (!built.ok) throw new Error(built.problem);
  return { state: 'ok', builtMs: builtAt, problem: '' };
}

export async function until(t: Test, condition: () => boolean): Promise<void> {
  for (let left = 400; left > 0; left -= 1) {
    if (condition()) return;
    await delay(25);
  }
  t.fail('did not happen in time');
}

export const inventory = (...packages: readonly (readonly [string, string])[]): Inventory => ({
  distribution: DEBIAN,
  packages: packages.map(([name, version]) => ({ type: 'deb', name, version, path: '/var/lib/dpkg/status' })),
  gaps: [],
});

export const REFUSED = `
apiVersion: plimsoll.dev/v1
kind: ImagePolicy
metadata: { name: all }
spec:
  rules:
    - { type: vulnerability, ids: [CVE-2026-1001, CVE-2026-1002] }
`;

/** A fleet of two nodes with four images, the policies of a file, and a directory for waivers. */
export async function startFleet(t: Test, rules = REFUSED, nodePosture?: NodePostureSource) {
  const directory = mkdtempSync(join(tmpdir(), 'plimsoll-policies-'));
  mkdirSync(join(directory, 'policies'));
  const policyFile = join(directory, 'policies', 'all.yaml');
  mkdirSync(join(directory, 'waivers'));
  writeFileSync(policyFile, rules);
  const vulndb = join(directory, 'vulndb.sqlite');
  const store = await openSqliteStore({ path: join(directory, 'store.sqlite') });
  const eventBus = createEventBus();
  const container = (id: string, imageId: string, image: string) => ({ id, name: id, image, imageId, startedAt: '' });
  const one = [
    container('c1', SHOP, 'shop:1'),
    container('c2', WEB, 'web:1'),
    container('c3', TWO, 'registry.example.com/two:1'),
    container('c4', ROOT, 'root:1'),
  ];
  await store.putNodes([nodeRow({ id: 'n1', containers: one })]);
  await store.putNodes([nodeRow({ id: 'n2', name: 'n2', containers: [container('c5', SHOP, 'shop:1')] })]);
  const running = await followRunningImages(store, eventBus);
  const add = async (
    nodeId: string,
    images: Readonly<Record<string, Inventory>>,
    source: 'layers' | 'container' = 'layers',
  ): Promise<void> => {
    for (const [imageId, content] of Object.entries(images)) {
      const { digest, bytes } = await encodeInventory(content);
      const claim = { imageId, digest, source, problem: '' };
      await store.images.putClaims(nodeId, [claim], { isWhole: false, atMs: Date.now() });
      await store.images.putInventory(digest, content, bytes, Date.now());
    }
  };
  let database = await build(vulndb, [advisory('CVE-2026-1001', 'openssl', '3.0.2')], Date.now() - DAY_MS);
  const stop = new AbortController();
  const review = createSuppressionReview({
    annotations: { vex: [], waivers: [join(directory, 'waivers')], keptIn: join(directory, 'annotations') },
    images: store.images,
    running,
    eventBus,
    clock: systemClock(),
    log: quiet,
    signal: stop.signal,
  });
  await review.refresh();
  const service = await startPolicyService({
    settings: {
      policies: join(directory, 'policies'),
      dataDir: directory,
      vulndb,
      vulndbMaxAge: 5 * DAY_MS,
      ...NO_REGISTRY,
    },
    images: store.images,
    running,
    database: () => database,
    annotations: review.current,
    nodePosture,
    inventoryWorker: new URL('../../../image/inventory/worker.ts', import.meta.url),
    clock: systemClock(),
    log: quiet,
    signal: stop.signal,
  });
  t.teardown(async () => {
    stop.abort();
    await service.over;
    await store.close();
    rmSync(directory, { recursive: true, force: true });
  });
  const rebuild = async (records: readonly object[]): Promise<void> => {
    database = await build(vulndb, records, Date.now());
    service.notify();
  };
  /** Waits until the snapshot on disk, read as an enforcer does, gives this outcome and these codes. */
  const decides = async (digest: string, expected: readonly string[], message = ''): Promise<void> => {
    service.notify();
    const keys = [createPublicKey(service.publicKey)];
    const options = { clock: systemClock(), signal: stop.signal };
    let found: readonly unknown[] = [];
    for (let left = 200; left > 0 && JSON.stringify(found) !== JSON.stringify(expected); left -= 1) {
      const read = await readSnapshot(join(directory, 'policy-snapshot'), { keys, minVersion: 1 }, options);
      const subject = { reference: 'registry.example.com/any:1', digest, namespace: undefined };
      if (read.ok) {
        const { outcome, reasons } = decideFromSnapshot(subject, read.snapshot, Date.now());
        found = [outcome, ...new Set(reasons.map(({ code }) => code))];
      }
      await delay(50);
    }
    t.strictSame(found, expected, message);
  };
  return { directory, policyFile, review, service, store, eventBus, running, add, decides, rebuild };
}
