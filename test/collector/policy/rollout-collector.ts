import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Test } from 'tap';
import { followRunningImages } from '../../../collector/image/running-images.ts';
import type { DatabaseState } from '../../../collector/image/database-keeper.ts';
import { startVulnerabilityMatcher } from '../../../collector/image/vulnerability-matcher.ts';
import { startPolicyService } from '../../../collector/policy/policy-service.ts';
import { createEventBus } from '../../../collector/store/event-bus.ts';
import { openSqliteStore } from '../../../collector/store/sqlite.ts';
import type { NodeContainer } from '../../../collector/store/store.ts';
import { buildDatabase } from '../../../image/vulndb/build.ts';
import { encodeInventory } from '../../../proto/inventory-codec.ts';
import { systemClock } from '../../../service/clock.ts';
import type { Clock } from '../../../service/clock.ts';
import { REGISTRY_USER } from '../../component/registry.ts';
import type { TestRegistry } from '../../component/registry.ts';
import { startServer } from '../api/server.ts';
import { nodeRow } from '../store/fleet.ts';

const quiet = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
const HOUR_MS = 3_600_000;

const SPEED = 20;
/** Waits and ages pass faster than the time of day. */
function fastClock(): Clock {
  const real = systemClock();
  return {
    now: real.now,
    monotonic: () => real.monotonic() * SPEED,
    after: (delayMs, run) => real.after(delayMs / SPEED, run),
  };
}

/** An advisory of Debian 12. */
export interface TestAdvisory {
  readonly id: string;
  readonly package: string;
  readonly fixed: string;
  readonly isExploited?: boolean;
}

/**
 * The parts of a collector that rollouts ask: real store, matcher, policies, registry client and operator API. Nodes
 * and images are told by the test in place of agents.
 */
export async function startRolloutCollector(
  t: Test,
  registry: TestRegistry,
  { advisories, policy }: { readonly advisories: readonly TestAdvisory[]; readonly policy: string },
) {
  const directory = mkdtempSync(join(tmpdir(), 'plimsoll-rollout-'));
  const file = (name: string, content: string): string => {
    writeFileSync(join(directory, name), content);
    return join(directory, name);
  };
  const auth = Buffer.from(`${REGISTRY_USER.username}:${REGISTRY_USER.password}`).toString('base64');
  const vulndb = join(directory, 'vulndb.sqlite');
  const waivers = join(directory, 'waivers.yaml');
  let builtMs = Date.now() - HOUR_MS;
  const buildOf = async (list: readonly TestAdvisory[]): Promise<void> => {
    builtMs += 1000;
    await buildAdvisories(directory, { vulndb, builtMs, advisories: list });
  };
  await buildOf(advisories);
  const store = await openSqliteStore({ path: join(directory, 'store.sqlite') });
  const eventBus = createEventBus();
  const running = await followRunningImages(store, eventBus);
  const stop = new AbortController();
  const { signal } = stop;
  const parts = { images: store.images, running, clock: fastClock(), log: quiet, signal };
  const matcher = startVulnerabilityMatcher({
    ...parts,
    eventBus,
    annotations: { vex: [], waivers: [waivers], keptIn: directory },
    path: vulndb,
    maxAgeMs: 48 * HOUR_MS,
    version: '0.1.0',
    databaseWorker: new URL('../../../image/vulndb/verify-worker.ts', import.meta.url),
  });
  const policies = await startPolicyService({
    ...parts,
    settings: {
      policies: file('policy.yaml', policy),
      dataDir: directory,
      vulndb,
      vulndbMaxAge: 48 * HOUR_MS,
      registries: [registry.host],
      registryCredentials: file('config.json', JSON.stringify({ auths: { [registry.host]: { auth } } })),
      registryCa: registry.caFile,
      registryCheckInterval: 1000,
    },
    database: matcher.database,
    annotations: matcher.annotations,
    inventoryWorker: new URL('../../../image/inventory/worker.ts', import.meta.url),
  });
  const { suppressionIn, hasExpiredWaiver, database } = matcher;
  const server = await startServer(t, {
    store: () => store,
    running,
    policies,
    suppressionIn,
    hasExpiredWaiver,
    database,
  });
  t.teardown(async () => {
    stop.abort();
    await Promise.all([matcher.over, policies.over]);
    await store.close();
    rmSync(directory, { recursive: true, force: true });
  });
  return {
    server,
    store,
    policies,
    directory,
    waivers,
    buildDatabase: buildOf,
    /** Says what runs on a node. */
    putNode: async (id: string, containers: readonly NodeContainer[]): Promise<void> => {
      const row = nodeRow({ id, name: id, containers });
      await store.putNodes([row]);
      eventBus.publish({ type: 'node', node: row });
    },
    /** Says which packages an image has, as a node lists them from its layers. */
    putImage: async (nodeId: string, imageId: string, packages: Readonly<Record<string, string>>): Promise<void> => {
      const inventory = {
        distribution: { id: 'debian', versionId: '12', codename: 'bookworm', like: [] },
        packages: Object.entries(packages).map(([name, version]) => ({
          type: 'deb' as const,
          name,
          version,
          path: '/var/lib/dpkg/status',
        })),
        gaps: [],
      };
      const { digest, bytes } = await encodeInventory(inventory);
      const claim = { imageId, digest, source: 'layers', problem: '' } as const;
      await store.images.putClaims(nodeId, [claim], { isWhole: false, atMs: Date.now() });
      await store.images.putInventory(digest, inventory, bytes, Date.now());
      matcher.notify();
      policies.notify();
    },
  };
}

/** Builds a vulnerability database of these advisories; `directory` is for what it is built from. */
export async function buildAdvisories(
  directory: string,
  {
    vulndb,
    builtMs,
    advisories,
  }: { readonly vulndb: string; readonly builtMs: number; readonly advisories: readonly TestAdvisory[] },
): Promise<DatabaseState> {
  const from = mkdtempSync(join(directory, 'osv-'));
  const records = advisories.map(({ id, package: name, fixed }) => ({
    id: `DEBIAN-${id}`,
    upstream: [id],
    modified: '2026-06-01T00:00:00Z',
    published: '2026-06-01T00:00:00Z',
    severity: [{ type: 'CVSS_V3', score: 'CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H' }],
    affected: [
      {
        package: { ecosystem: 'Debian:12', name },
        ranges: [{ type: 'ECOSYSTEM', events: [{ introduced: '0' }, { fixed }] }],
      },
    ],
  }));
  writeFileSync(join(from, 'debian.ndjson'), records.map((record) => JSON.stringify(record)).join('\n'));
  const exploited = advisories.filter(({ isExploited }) => isExploited === true);
  const kev = {
    title: 'CISA Catalog of Known Exploited Vulnerabilities',
    catalogVersion: '2026.11.01',
    dateReleased: '2026-11-01T00:00:00Z',
    count: exploited.length,
    vulnerabilities: exploited.map(({ id }) => ({
      cveID: id,
      dateAdded: '2026-11-01',
      dueDate: '2026-11-22',
      knownRansomwareCampaignUse: 'Unknown',
    })),
  };
  if (exploited.length > 0) writeFileSync(join(from, 'known_exploited_vulnerabilities.json'), JSON.stringify(kev));
  const { signal } = new AbortController();
  const built = await buildDatabase({ from: [from], output: vulndb, builtAt: builtMs, signal, onProgress: () => {} });
  rmSync(from, { recursive: true, force: true });
  if (!built.ok) throw new Error(built.problem);
  return { state: 'ok', builtMs, problem: '' };
}

/** Asks again until the answer is as wanted; the last one. */
export async function askUntil<T>(
  ask: () => Promise<T>,
  isWanted: (answer: T) => boolean,
  deadlineMs = 20_000,
): Promise<T> {
  const endMs = Date.now() + deadlineMs;
  for (;;) {
    const answer = await ask();
    if (isWanted(answer) || Date.now() > endMs) return answer;
    await delay(150);
  }
}
