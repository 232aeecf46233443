// Figures of the vulnerability database: build, size, matching one image, matching a fleet's distinct package versions.
// Times are processor time, medians. Usage: npm run bench -- vulndb [--from DIR…] [--rounds N]
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { buildDatabase } from '../image/vulndb/build.ts';
import { openVulnerabilityDatabase } from '../image/vulndb/database.ts';
import { matchPackages } from '../vulnerability/match.ts';
import type { Package } from '../vulnerability/package.ts';

const DISTINCT_VERSIONS = 5000;
const IMAGE_PACKAGES = 182;
const DEFAULT_FROM = fileURLToPath(new URL('../../shared/vulndata', import.meta.url));

const { values } = parseArgs({
  options: { from: { type: 'string', multiple: true }, rounds: { type: 'string', default: '5' } },
});
const from = values.from ?? [DEFAULT_FROM];
const rounds = Number(values.rounds);
const directory = mkdtempSync(join(tmpdir(), 'plimsoll-bench-'));
process.on('exit', () => rmSync(directory, { recursive: true, force: true }));
const file = join(directory, 'vulndb.sqlite');

/** Milliseconds of processor time of this process: other work on the machine does not count. */
function processorMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

const buildMs: number[] = [];
for (let round = 0; round < Math.min(rounds, 3); round += 1) {
  const start = processorMs();
  const built = await buildDatabase({
    from,
    output: file,
    builtAt: Date.now(),
    signal: new AbortController().signal,
    onProgress: () => undefined,
  });
  if (!built.ok) throw new Error(built.problem);
  buildMs.push(processorMs() - start);
}

const packages = packagesOf(file);
const image = packages.filter(({ type }) => type === 'deb').slice(0, IMAGE_PACKAGES);
const openMs: number[] = [];
const imageMs: number[] = [];
const fleetMs: number[] = [];
let matches = 0;
let fleetMatches = 0;
for (let round = 0; round < rounds; round += 1) {
  // Opened anew: a round begins with empty caches of advisories.
  const start = processorMs();
  const opened = openVulnerabilityDatabase(file);
  if (!opened.ok) throw new Error(opened.problem);
  openMs.push(processorMs() - start);
  const { source, close } = opened.database;
  const imageStart = processorMs();
  matches = matchPackages(image, { id: 'debian', versionId: '12', like: [] }, source, { now: Date.now() }).matches
    .length;
  imageMs.push(processorMs() - imageStart);
  close();
  const again = openVulnerabilityDatabase(file);
  if (!again.ok) throw new Error(again.problem);
  const fleetStart = processorMs();
  fleetMatches = 0;
  for (const [type, distribution] of distributions()) {
    const part = packages.filter((one) => one.type === type);
    fleetMatches += matchPackages(part, distribution, again.database.source, { now: Date.now() }).matches.length;
  }
  fleetMs.push(processorMs() - fleetStart);
  again.database.close();
}

const { entries } = count(file);
const { size } = statSync(file);
const median = (list: readonly number[]): string =>
  (list.toSorted((one, other) => one - other)[Math.floor(list.length / 2)] ?? 0).toFixed(0);
console.log(`build                       ${median(buildMs)} ms`);
console.log(
  `size                        ${(size / 1e6).toFixed(1)} MB, ${String(entries)} ranges, ${(size / entries).toFixed(1)} bytes each`,
);
console.log(`open                        ${median(openMs)} ms`);
console.log(`one image, ${String(image.length)} packages      ${median(imageMs)} ms, ${String(matches)} matches`);
console.log(`fleet, ${String(packages.length)} versions        ${median(fleetMs)} ms, ${String(fleetMatches)} matches`);

/** The distribution that packages of each type are matched with. */
function distributions() {
  return [
    ['deb', { id: 'debian', versionId: '12', like: [] }],
    ['apk', { id: 'alpine', versionId: '3.22', like: [] }],
    ['rpm', { id: 'almalinux', versionId: '9', like: [] }],
    ['npm', undefined],
    ['pypi', undefined],
    ['golang', undefined],
  ] as const;
}

/** Distinct versions: names of the database, each with bounds of its own ranges, so that there is much to compare. */
function packagesOf(path: string): readonly Package[] {
  const database = new DatabaseSync(path, { readOnly: true });
  const ecosystems = [
    ['Debian:12', 'deb', 1400],
    ['Alpine:v3.22', 'apk', 800],
    ['AlmaLinux:9', 'rpm', 1000],
    ['npm', 'npm', 600],
    ['PyPI', 'pypi', 600],
    ['Go', 'golang', 600],
  ] as const;
  const found = ecosystems.flatMap(([ecosystem, type, limit]) =>
    database
      .prepare(
        `SELECT DISTINCT p.name, v.text FROM affected f JOIN package p ON p.id = f.package
         JOIN ecosystem e ON e.id = p.ecosystem JOIN version v ON v.id = f.upper
         WHERE e.name = ? ORDER BY p.id * 7919 % 1000, v.id LIMIT ?`,
      )
      .all(ecosystem, limit)
      .map((row): Package => ({ type, name: String(row['name']), version: String(row['text']), path: '/bench' })),
  );
  database.close();
  return found.slice(0, DISTINCT_VERSIONS);
}

function count(path: string): { readonly entries: number } {
  const database = new DatabaseSync(path, { readOnly: true });
  const row = database.prepare('SELECT count(*) AS n FROM affected').get();
  database.close();
  return { entries: Number(row?.['n']) };
}
