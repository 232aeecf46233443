import { cpSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import t from 'tap';
import { openDirectoryTree } from '../../../image/inventory/directory-tree.ts';
import { takeInventory } from '../../../image/inventory/inventory.ts';
import { lookupOf } from '../../../vulnerability/ecosystem.ts';
import { matchPackages } from '../../../vulnerability/match.ts';
import type { Distribution, Package, PackageType } from '../../../vulnerability/package.ts';
import { compareVersions } from '../../../vulnerability/version.ts';
import type { VersionScheme } from '../../../vulnerability/version.ts';
import { createRandom } from '../../fixture/random.ts';
import {
  build,
  noVulnerabilityData,
  openDatabase,
  readRecords,
  temporaryDirectory,
  vulnerabilityData,
} from '../../fixture/vulnerability-data.ts';

/** The expected matches of another scanner: package, installed version, id, versions with the fix. */
type Expected = readonly (readonly [string, string, string, string])[];

void t.test('the real advisories', { skip: noVulnerabilityData }, async (t) => {
  const directory = temporaryDirectory(t);
  const file = join(directory, 'vulndb.sqlite');
  const built = await build([vulnerabilityData], file);
  if (!built.ok) throw new Error(built.problem);
  const database = openDatabase(t, file);
  const now = Date.UTC(2026, 10, 25);

  t.test('a row of affected versions costs at most 60 bytes with everything that belongs to it', (t) => {
    const { entries } = database.info;
    t.ok(entries > 130_000, String(entries));
    t.ok(statSync(file).size / entries <= 60, `${(statSync(file).size / entries).toFixed(1)} bytes`);
    t.end();
  });

  t.test('a Debian application has exactly the matches that another scanner found', (t) => {
    const expected = JSON.parse(readFileSync(join(vulnerabilityData, 'oracle/expected.json'), 'utf8')) as Record<
      string,
      Expected
    >;
    const root = join(directory, 'rootfs');
    mkdirSync(join(root, 'var/lib/dpkg'), { recursive: true });
    mkdirSync(join(root, 'etc'));
    writeFileSync(join(root, 'etc/os-release'), 'ID=debian\nVERSION_ID="12"\nVERSION_CODENAME=bookworm\n');
    writeFileSync(
      join(root, 'var/lib/dpkg/status'),
      gunzipSync(readFileSync(join(vulnerabilityData, 'oracle/app.dpkg-status.gz'))),
    );
    cpSync(join(vulnerabilityData, 'oracle/app.package-lock.json'), join(root, 'package-lock.json'));
    const tree = openDirectoryTree(root, { mounts: 'volume' });
    t.teardown(() => tree.close());
    const inventory = takeInventory(tree);
    const debs = inventory.packages.filter(({ type }) => type === 'deb');
    t.equal(debs.length, 182);
    const packages = [...debs, ...lockedPackages(join(root, 'package-lock.json'))];
    const { matches, unjudged } = matchPackages(packages, inventory.distribution, database.source, { now });
    t.strictSame(unjudged, []);
    const found = (type: PackageType): readonly string[] =>
      matches
        .filter((match) => match.package.type === type)
        .map(({ package: { name, version }, vulnerability }) => `${name} ${version} ${vulnerability.id}`)
        .toSorted();
    const wanted = (list: Expected): readonly string[] => list.map(([name, version, id]) => `${name} ${version} ${id}`);
    const debian = expected['debian_app (oracle/app.dpkg-status.gz, Debian:12)'] ?? [];
    const npm = expected['npm_app (oracle/app.package-lock.json)'] ?? [];
    t.equal(debian.length, 388);
    t.equal(npm.length, 37);
    t.strictSame(found('deb'), wanted(debian).toSorted());
    t.strictSame(found('npm'), wanted(npm).toSorted());
    const fixes = new Map([...debian, ...npm].map(([name, version, id, fixed]) => [`${name} ${version} ${id}`, fixed]));
    // The other scanner lists the fixes of all branches; ours is the one of the branch that is installed.
    for (const { package: pkg, vulnerability, fixedVersion = '' } of matches) {
      const listed = fixes.get(`${pkg.name} ${pkg.version} ${vulnerability.id}`)?.split(', ') ?? [];
      t.ok(listed.includes(fixedVersion), `${pkg.name} ${vulnerability.id}: ${fixedVersion} of ${listed.join(', ')}`);
    }
    t.end();
  });

  t.test('a Go program has as many matches as govulncheck finds', (t) => {
    // esbuild 0.17.0 for linux/amd64 with the same records, by `govulncheck -mode binary -scan module`: 85; five further
    // records are limited to Windows and ppc64le.
    const path = '/usr/bin/esbuild';
    const modules: readonly Package[] = [
      { type: 'golang', name: 'stdlib', version: '1.19.4', architecture: 'amd64', path },
      {
        type: 'golang',
        name: 'golang.org/x/sys',
        version: '0.0.0-20220715151400-c0bba94af5f8',
        architecture: 'amd64',
        path,
      },
    ];
    t.equal(matchPackages(modules, undefined, database.source, { now }).matches.length, 85);
    t.end();
  });

  t.test('random packages of every ecosystem have the matches of the evaluation algorithm of OSV', (t) => {
    const cases: readonly Case[] = [
      { file: 'alpine.ndjson.gz', ecosystem: 'Alpine:v3.22', type: 'apk', distribution: linux('alpine', '3.22.1') },
      { file: 'alpine.ndjson.gz', ecosystem: 'Alpine:edge', type: 'apk', distribution: linux('alpine', '3.25_alpha1') },
      { file: 'almalinux.ndjson.gz', ecosystem: 'AlmaLinux:9', type: 'rpm', distribution: linux('almalinux', '9.6') },
      { file: 'almalinux.ndjson.gz', ecosystem: 'AlmaLinux:10', type: 'rpm', distribution: linux('almalinux', '10') },
      { file: 'debian-12-13.ndjson.gz', ecosystem: 'Debian:13', type: 'deb', distribution: linux('debian', '13') },
      { file: 'debian-dsa-dla.ndjson.gz', ecosystem: 'Debian:11', type: 'deb', distribution: linux('debian', '11') },
      { file: 'go.ndjson.gz', ecosystem: 'Go', type: 'golang' },
      { file: 'pypi.ndjson.gz', ecosystem: 'PyPI', type: 'pypi' },
      { file: 'crates.ndjson.gz', ecosystem: 'crates.io', type: 'cargo' },
      { file: 'npm.ndjson.gz', ecosystem: 'npm', type: 'npm' },
    ];
    for (const one of cases) {
      const records = [...readRecords(one.file), ...readRecords('osv-samples.ndjson.gz')].filter(isRecord);
      const packages = randomPackages(one, records);
      const byName = indexByName(one, records);
      const { matches, unjudged } = matchPackages(packages, one.distribution, database.source, { now });
      const found = new Set(
        matches.flatMap(({ package: pkg, vulnerability: { id, advisory, aliases } }) =>
          [id, advisory, ...aliases].map((name) => `${pkg.name}@${pkg.version} ${name}`),
        ),
      );
      const skipped = new Set(unjudged.map(({ package: pkg }) => pkg));
      const judged = packages.filter((pkg) => !skipped.has(pkg));
      t.ok(judged.length > packages.length * 0.9, `${one.ecosystem}: ${String(judged.length)} packages are judged`);
      const missing: string[] = [];
      const wrong: string[] = [];
      let hits = 0;
      for (const pkg of judged) {
        const wanted = evaluate(one, byName.get(normalize(one, pkg.name)) ?? [], pkg);
        hits += wanted.length;
        for (const { id } of wanted)
          if (!found.has(`${pkg.name}@${pkg.version} ${id}`)) missing.push(`${pkg.name}@${pkg.version} ${id}`);
        const own = matches.filter((match) => match.package === pkg);
        const names = new Set(wanted.flatMap(({ id, aliases = [] }) => [id].concat(aliases)));
        for (const { vulnerability } of own)
          if (!names.has(vulnerability.advisory)) wrong.push(`${pkg.name}@${pkg.version} ${vulnerability.advisory}`);
        t.equal(new Set(own.map(({ vulnerability }) => vulnerability.id)).size, own.length);
      }
      t.strictSame(missing.slice(0, 5), [], `${one.ecosystem}: none is missing`);
      t.strictSame(wrong.slice(0, 5), [], `${one.ecosystem}: none is too many`);
      t.ok(hits > 50, `${one.ecosystem}: ${String(hits)} matches in ${String(judged.length)} packages`);
    }
    t.end();
  });
});

interface Case {
  readonly file: string;
  readonly ecosystem: string;
  readonly type: PackageType;
  readonly distribution?: Distribution;
}

interface OsvRecord {
  readonly id: string;
  readonly withdrawn?: string;
  readonly summary?: string;
  readonly aliases?: readonly string[];
  readonly affected?: readonly {
    readonly package: { readonly ecosystem: string; readonly name: string };
    readonly ranges?: readonly { readonly type: string; readonly events: readonly Record<string, string>[] }[];
    readonly versions?: readonly string[];
    readonly ecosystem_specific?: {
      readonly imports?: readonly { readonly goos?: readonly string[]; readonly goarch?: readonly string[] }[] | null;
      readonly affects?: { readonly os: readonly string[]; readonly arch: readonly string[] };
    };
  }[];
}

/** Records of the samples are damaged on purpose; those are tested elsewhere. */
function isRecord(record: unknown): record is OsvRecord {
  const { affected } = record as OsvRecord;
  return (
    Array.isArray(affected) &&
    affected.every(
      (one) => typeof one.package?.name === 'string' && (one.ranges ?? []).every((range: object) => 'type' in range),
    )
  );
}

function linux(id: string, versionId: string): Distribution {
  return { id, versionId, like: [] };
}

function lockedPackages(path: string): readonly Package[] {
  const { packages } = JSON.parse(readFileSync(path, 'utf8')) as {
    readonly packages: Readonly<Record<string, { readonly version: string }>>;
  };
  return Object.entries(packages)
    .filter(([key]) => key !== '')
    .map(([key, { version }]) => ({
      type: 'npm',
      name: key.slice(key.lastIndexOf('node_modules/') + 'node_modules/'.length),
      version,
      path: '/package-lock.json',
    }));
}

/** Names of the records, each with a version that is a bound of some range of that name. */
function randomPackages({ ecosystem, type }: Case, records: readonly OsvRecord[]): readonly Package[] {
  const versions = new Map<string, Set<string>>();
  for (const { affected = [] } of records)
    for (const { package: named, ranges = [] } of affected) {
      if (named.ecosystem !== ecosystem) continue;
      const known = versions.get(named.name) ?? new Set();
      for (const { events } of ranges)
        for (const event of events)
          for (const version of Object.values(event)) if (version !== '0' && version !== '0.0.0-0') known.add(version);
      versions.set(named.name, known);
    }
  const random = createRandom(11);
  const names = [...versions].filter(([, known]) => known.size > 0);
  return Array.from({ length: 150 }, () => {
    const [name, known] = random.pick(names);
    const version = random.pick([...known]);
    // Modules have a test of their own.
    const modularity = /\.module/.test(version) ? { modularity: 'any:stream' } : {};
    return { type, name, version, path: '/test', ...(type === 'rpm' ? modularity : {}) } satisfies Package;
  }).filter(({ version }) => !version.includes('.module'));
}

/** PEP 503; names of other ecosystems are compared as they are written. */
function normalize({ type }: Pick<Case, 'type'>, name: string): string {
  return type === 'pypi' ? name.toLowerCase().replaceAll(/[-_.]+/g, '-') : name;
}

function indexByName(one: Case, records: readonly OsvRecord[]): ReadonlyMap<string, readonly OsvRecord[]> {
  const index = new Map<string, OsvRecord[]>();
  for (const record of records) {
    const names = (record.affected ?? []).filter(({ package: named }) => named.ecosystem === one.ecosystem);
    for (const name of new Set(names.map(({ package: named }) => normalize(one, named.name)))) {
      const known = index.get(name);
      if (known === undefined) index.set(name, [record]);
      else known.push(record);
    }
  }
  return index;
}

/** The records that affect a package: the pseudocode of https://ossf.github.io/osv-schema/#evaluation, word by word. */
function evaluate(
  { ecosystem, distribution }: Case,
  records: readonly OsvRecord[],
  pkg: Package,
): readonly OsvRecord[] {
  const found = lookupOf(pkg, distribution);
  if (!found.ok) throw new Error(found.reason);
  const { scheme, version } = found.lookup;
  return records.filter(
    ({ withdrawn, affected = [] }) =>
      withdrawn === undefined &&
      affected.some(
        (one) =>
          one.package.ecosystem === ecosystem &&
          normalize({ type: pkg.type }, one.package.name) === normalize(pkg, pkg.name) &&
          isForLinux(one) &&
          !isModular(one) &&
          ((Array.isArray(one.versions) && one.versions.includes(version)) ||
            (one.ranges ?? []).some((range) => range.type !== 'GIT' && isIncluded(scheme, version, range.events))),
      ),
  );
}

type Affected = NonNullable<OsvRecord['affected']>[number];

function isModular({ ranges = [] }: Affected): boolean {
  return ranges.some(({ events }) => events.some((event) => event['fixed']?.includes('.module') === true));
}

/** Without an architecture, only the operating system limits an advisory. */
function isForLinux({ ecosystem_specific: specific }: Affected): boolean {
  const systems = specific?.affects?.os ?? [];
  if (systems.length > 0 && !systems.includes('linux')) return false;
  const imports = specific?.imports ?? [];
  return imports.length === 0 || imports.some(({ goos = [] }) => goos.length === 0 || goos.includes('linux'));
}

function isIncluded(scheme: VersionScheme, version: string, events: readonly Record<string, string>[]): boolean {
  const at = (event: Record<string, string>): string => Object.values(event)[0] ?? '';
  const order = (one: string, other: string): number =>
    one === other ? 0 : one === '0' ? -1 : other === '0' ? 1 : (compareVersions(scheme, one, other) ?? Number.NaN);
  let isVulnerable = false;
  for (const event of events.toSorted((one, other) => order(at(one), at(other)))) {
    if (event['introduced'] !== undefined && order(version, event['introduced']) >= 0) isVulnerable = true;
    else if (event['fixed'] !== undefined && order(version, event['fixed']) >= 0) isVulnerable = false;
    else if (event['last_affected'] !== undefined && order(version, event['last_affected']) > 0) isVulnerable = false;
  }
  return isVulnerable;
}
