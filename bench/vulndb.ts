// Figures of the vulnerability database: build, size, matching one image, matching a fleet's distinct package versions.
// Times are processor time, medians. Usage: npm run bench -- vulndb [--from DIR…] [--rounds N]
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { parseArgs } from 'node:util';
import { buildDatabase } from '../image/vulndb/build.ts';
import { openVulnerabilityDatabase } from '../image/vulndb/database.ts';
import { matchPackages } from '../vulnerability/match.ts';
import { percentile, printFigures } from './figures.ts';
import { DEFAULT_ADVISORIES, packageVersions } from './vulndb/package-versions.ts';

const IMAGE_PACKAGES = 182;

const { values } = parseArgs({
  options: {
    from: { type: 'string', multiple: true },
    rounds: { type: 'string', default: '5' },
    output: { type: 'string', default: 'table' },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) {
  console.log(`Builds a vulnerability database and matches packages with it. Times are processor time.

  --from DIR     advisories, may be repeated; default: those beside the project
  --rounds N     of each; the median counts (5)
  --output json  the figures for programs`);
  process.exit();
}
const from = values.from ?? [DEFAULT_ADVISORIES];
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

const packages = packageVersions(file, [
  ['Debian:12', 'deb', 1400],
  ['Alpine:v3.22', 'apk', 800],
  ['AlmaLinux:9', 'rpm', 1000],
  ['npm', 'npm', 600],
  ['PyPI', 'pypi', 600],
  ['Go', 'golang', 600],
]);
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
const figure = (name: string, times: readonly number[]) => ({ name, unit: 'ms', value: percentile(times, 0.5) });
console.error(`${String(entries)} ranges, ${(size / 1e6).toFixed(1)} MB`);
printFigures(
  [
    figure('build', buildMs),
    { name: 'size of a range', unit: 'bytes', value: size / entries, goal: 60 },
    figure('open', openMs),
    figure(`one image, ${String(image.length)} packages, ${String(matches)} matches`, imageMs),
    figure(`fleet, ${String(packages.length)} versions, ${String(fleetMatches)} matches`, fleetMs),
  ],
  values.output,
);

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

function count(path: string): { readonly entries: number } {
  const database = new DatabaseSync(path, { readOnly: true });
  const row = database.prepare('SELECT count(*) AS n FROM affected').get();
  database.close();
  return { entries: Number(row?.['n']) };
}
