// Figures of the fleet's images: matching every package version again, and who is affected by one new advisory.
// Usage: npm run bench -- images [--from DIR…] [--images N] [--nodes N] [--containers N] [--output table|json]
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { findAffected } from '../collector/image/fleet-vulnerabilities.ts';
import { followRunningImages } from '../collector/image/running-images.ts';
import { startVulnerabilityMatcher } from '../collector/image/vulnerability-matcher.ts';
import { createEventBus } from '../collector/store/event-bus.ts';
import { openSqliteStore } from '../collector/store/sqlite.ts';
import type { Store } from '../collector/store/store.ts';
import { buildDatabase } from '../image/vulndb/build.ts';
import { encodeInventory } from '../proto/inventory-codec.ts';
import { systemClock } from '../service/clock.ts';
import type { Distribution, Package } from '../vulnerability/package.ts';
import { measureLongestTurn } from '../test/fixture/longest-turn.ts';
import { printFigures } from './figures.ts';
import { DEFAULT_ADVISORIES, packageVersions } from './vulndb/package-versions.ts';

const { values } = parseArgs({
  options: {
    from: { type: 'string', multiple: true },
    images: { type: 'string', default: '2000' },
    nodes: { type: 'string', default: '500' },
    containers: { type: 'string', default: '20000' },
    output: { type: 'string', default: 'table' },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) {
  console.log(`Matches the package versions of a fleet's images, twice, and asks who is affected by one advisory.

  --from DIR       advisories, may be repeated; default: those beside the project
  --images N       different images (2000)
  --nodes N        that report them (500)
  --containers N   on all nodes together (20000)
  --output json    the figures for programs`);
  process.exit();
}
const [imageCount, nodeCount, containerCount] = [values.images, values.nodes, values.containers].map(Number) as [
  number,
  number,
  number,
];
const from = values.from ?? [DEFAULT_ADVISORIES];
const directory = mkdtempSync(join(tmpdir(), 'plimsoll-bench-'));
process.on('exit', () => rmSync(directory, { recursive: true, force: true }));
const path = join(directory, 'vulndb.sqlite');
/** Packages of an image, as in images of today's registries. */
const PACKAGES_OF_IMAGE = 130;
const ADVISORY = 'CVE-2026-9999';

const now = Date.now();
await build(from, now - 60_000);
const store = await openSqliteStore({ path: join(directory, 'store.sqlite') });
const eventBus = createEventBus();
const random = createRandom(1);
const pools = packagePools(path);
await fillFleet(store);
const running = await followRunningImages(store, eventBus);
const first = await matchAll();
const victim = pools[0].packages[0];
if (victim === undefined) throw new Error('the advisories name no package of Debian 12');
const extra = join(directory, 'new');
mkdirSync(extra);
writeFileSync(join(extra, 'debian.ndjson'), JSON.stringify(advisoryOf(victim.name)));
await build([...from, extra], now - 2000);
const oneAdvisory = await matchAll();
const started = performance.now();
const affected = await findAffected({ images: store.images, running }, ADVISORY);
const queryMs = performance.now() - started;
// Another version of the program judges everything again.
await build([...from, extra], now - 1000);
const again = await matchAll('2');
await store.close();

console.error(
  `${String(imageCount)} images, ${String(nodeCount)} nodes, ${String(containerCount)} containers, ` +
    `${String(first.versions)} package versions, ${String(affected?.containers.length ?? 0)} affected containers\n`,
);
printFigures(
  [
    { name: 'first match, all events', unit: 'ms', value: first.durationMs },
    { name: 'first match, CPU', unit: 'ms', value: first.cpuMs },
    { name: 'first match, longest block', unit: 'ms', value: first.longestBlockMs, goal: 50 },
    { name: 'match all with a new database', unit: 'ms', value: again.durationMs, goal: 1000 },
    { name: 'match all, CPU', unit: 'ms', value: again.cpuMs },
    { name: 'match all, longest block', unit: 'ms', value: again.longestBlockMs, goal: 50 },
    { name: 'match one new advisory', unit: 'ms', value: oneAdvisory.durationMs },
    { name: 'match one new advisory, CPU', unit: 'ms', value: oneAdvisory.cpuMs },
    { name: 'verify and match, longest block', unit: 'ms', value: oneAdvisory.longestBlockMs, goal: 50 },
    { name: 'advisory to affected containers', unit: 'ms', value: queryMs, goal: 100 },
  ],
  values.output,
);

async function build(sources: readonly string[], builtAt: number): Promise<void> {
  const { signal } = new AbortController();
  const built = await buildDatabase({ from: sources, output: path, builtAt, signal, onProgress: () => undefined });
  if (!built.ok) throw new Error(built.problem);
}

interface Matched {
  readonly durationMs: number;
  readonly versions: number;
  /** CPU time of the thread that judges. */
  readonly cpuMs: number;
  /** Most CPU time that the event loop took at a stretch, opening the database included. */
  readonly longestBlockMs: number;
}

/** Lets a matcher judge all package versions; milliseconds until it has, from its own log. */
async function matchAll(version = '1'): Promise<Matched> {
  const stop = new AbortController();
  const done = Promise.withResolvers<Omit<Matched, 'longestBlockMs' | 'cpuMs'>>();
  const nothing = (): void => undefined;
  const info = (fields: object, message: string): void => {
    if (message !== 'package versions judged') return;
    const { durationMs, packages } = fields as { readonly durationMs: number; readonly packages: number };
    done.resolve({ durationMs, versions: packages });
  };
  const warn = (fields: object, message: string): void => done.reject(new Error(message, { cause: fields }));
  const cpu = process.threadCpuUsage();
  const longestTurn = measureLongestTurn();
  const matcher = startVulnerabilityMatcher({
    images: store.images,
    running,
    path,
    maxAgeMs: 86_400_000,
    annotations: { vex: [], waivers: [], keptIn: join(directory, 'annotations') },
    version,
    databaseWorker: new URL('../image/vulndb/verify-worker.ts', import.meta.url),
    eventBus,
    clock: systemClock(),
    log: { debug: nothing, info, warn, error: warn },
    signal: stop.signal,
  });
  const result = await done.promise;
  const longestBlockMs = longestTurn();
  const { user, system } = process.threadCpuUsage(cpu);
  stop.abort();
  await matcher.over;
  return { ...result, cpuMs: (user + system) / 1000, longestBlockMs };
}

interface Pool {
  readonly distribution: Distribution;
  readonly packages: readonly Package[];
}

/** Package versions of three distributions, each with packages of languages: bounds of ranges in the database. */
function packagePools(file: string): readonly [Pool, Pool, Pool] {
  const versions = (ecosystem: string, type: Package['type'], limit: number): readonly Package[] =>
    packageVersions(file, [[ecosystem, type, limit]]);
  const languages = [
    ...versions('npm', 'npm', 600),
    ...versions('PyPI', 'pypi', 600),
    ...versions('Go', 'golang', 600),
  ];
  const pool = (distribution: Distribution, own: readonly Package[]): Pool => ({
    distribution,
    packages: [...own, ...languages],
  });
  return [
    pool({ id: 'debian', versionId: '12', like: [] }, versions('Debian:12', 'deb', 1400)),
    pool({ id: 'alpine', versionId: '3.22', like: [] }, versions('Alpine:v3.22', 'apk', 800)),
    pool({ id: 'almalinux', versionId: '9', like: [] }, versions('AlmaLinux:9', 'rpm', 1000)),
  ];
}

/** Nodes with running containers, and the inventory of each image from one of the nodes. */
async function fillFleet(fleet: Store): Promise<void> {
  const perNode = Math.ceil(containerCount / nodeCount);
  const imageIds = Array.from({ length: imageCount }, (_, index) => `sha256:${index.toString(16).padStart(64, '0')}`);
  const inventories = await Promise.all(
    imageIds.map(async (imageId, index) => {
      const pool = pools[index % pools.length] ?? pools[0];
      const chosen = new Set<Package>();
      while (chosen.size < PACKAGES_OF_IMAGE) {
        const one = pool.packages[random(pool.packages.length)];
        if (one !== undefined) chosen.add(one);
      }
      const inventory = { distribution: pool.distribution, packages: [...chosen], gaps: [] };
      const { digest, bytes } = await encodeInventory(inventory);
      return { imageId, inventory, digest, bytes };
    }),
  );
  for (let node = 0; node < nodeCount; node += 1) {
    const id = `node-${String(node)}`;
    const containers = Array.from({ length: perNode }, (_, index) => {
      const imageId = imageIds[(node * perNode + index) % imageCount] ?? '';
      const name = `${id}-${String(index)}`;
      return { id: name, name, image: `registry.example/${imageId.slice(-8)}:1`, imageId, startedAt: '' };
    });
    await fleet.putNodes([
      {
        id,
        name: id,
        agentVersion: 'bench',
        operatingSystem: 'Debian GNU/Linux 13',
        kernelRelease: '6.12',
        architecture: 'x86_64',
        cpus: 4,
        memoryBytes: 8 * 1024 ** 3,
        runtime: 'docker 26.1.5',
        securityModules: 'apparmor',
        containers,
        firstSeenMs: now,
        lastSeenMs: now,
        connected: true,
        offlineSinceMs: 0,
        agentRssBytes: 0,
        agentCpuMs: 0,
        dropped: 0,
      },
    ]);
    const own = new Set(containers.map(({ imageId }) => imageId));
    const claims = inventories
      .filter(({ imageId }) => own.has(imageId))
      .map(({ imageId, digest }) => ({ imageId, digest, source: 'layers', problem: '' }) as const);
    await fleet.images.putClaims(id, claims, { isWhole: true, atMs: now });
  }
  for (const { digest, inventory, bytes } of inventories)
    await fleet.images.putInventory(digest, inventory, bytes, now);
}

/** An OSV record of Debian 12: every version of the package is affected. */
function advisoryOf(name: string): object {
  return {
    id: `DEBIAN-${ADVISORY}`,
    upstream: [ADVISORY],
    modified: '2026-06-01T00:00:00Z',
    published: '2026-06-01T00:00:00Z',
    affected: [
      { package: { ecosystem: 'Debian:12', name }, ranges: [{ type: 'ECOSYSTEM', events: [{ introduced: '0' }] }] },
    ],
  };
}

/** A linear congruential generator: the same fleet in each run. Returns integers below `limit`. */
function createRandom(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state % limit;
  };
}
