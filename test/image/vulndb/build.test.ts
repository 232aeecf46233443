import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { zipSync } from 'fflate';
import t from 'tap';
import { openVulnerabilityDatabase } from '../../../image/vulndb/database.ts';
import { matchPackages } from '../../../vulnerability/match.ts';
import { advisory, build, databaseOf, openDatabase, temporaryDirectory } from '../../fixture/vulnerability-data.ts';

const ON = { ecosystem: 'npm', name: 'a' };
const RECORDS = Array.from({ length: 50 }, (_, index) =>
  advisory(`GHSA-${String(index)}`, { ecosystem: 'npm', name: `package-${String(index % 7)}` }, [
    [{ introduced: '0' }, { fixed: `1.${String(index)}.0` }],
  ]),
);
const lines = (records: readonly object[]): string => records.map((record) => `${JSON.stringify(record)}\n`).join('');
const digest = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex');
const zip = (records: readonly object[]): Uint8Array =>
  zipSync(Object.fromEntries(records.map((one, index) => [`${String(index)}.json`, Buffer.from(JSON.stringify(one))])));

void t.test('the same records give the same file, in every form and order', async (t) => {
  const directory = temporaryDirectory(t);
  const forms: Readonly<Record<string, string | Uint8Array>> = {
    'lines/a.ndjson': lines(RECORDS),
    'order/a.ndjson': lines(RECORDS.toReversed()),
    'parts/a.ndjson': lines(RECORDS.slice(20)),
    'parts/b.jsonl.gz': gzipSync(lines(RECORDS.slice(0, 30))),
    'zstd/a.ndjson.zst': zstdCompressSync(lines(RECORDS)),
    'zip/all.zip': zip(RECORDS),
    ...Object.fromEntries(RECORDS.map((one, index) => [`json/${String(index)}.json`, JSON.stringify(one)])),
  };
  for (const [name, content] of Object.entries(forms)) {
    mkdirSync(dirname(join(directory, name)), { recursive: true });
    writeFileSync(join(directory, name), content);
  }
  const digests = new Set<string>();
  for (const form of readdirSync(directory)) {
    const output = join(directory, `${form}.sqlite`);
    const built = await build([join(directory, form)], output);
    t.match(built, { ok: true, summary: { advisories: 50, damaged: 0 } }, form);
    digests.add(digest(output));
  }
  t.equal(digests.size, 1);
});

void t.test('of records with one id the last one counts; a withdrawal is one', async (t) => {
  const old = advisory('GHSA-1', ON, [[{ introduced: '0' }, { fixed: '1.0.0' }]]);
  const newer = {
    ...advisory('GHSA-1', ON, [[{ introduced: '0' }, { fixed: '2.0.0' }]]),
    modified: '2026-05-05T00:00:00Z',
  };
  const withdrawn = { ...newer, modified: '2026-06-06T00:00:00Z', withdrawn: '2026-06-06T00:00:00Z' };
  const other = advisory('GHSA-2', ON, [[{ introduced: '0' }]]);
  const upper = async (...records: readonly object[]): Promise<unknown> =>
    (await databaseOf(t, [other, ...records])).source.find('npm', 'a')[0]?.parts[0]?.intervals[0]?.upper;
  t.equal(await upper(newer, old), '2.0.0');
  t.equal(await upper(old, newer), '2.0.0');
  t.equal(await upper(withdrawn, newer, old), undefined, 'only the other one is left');
});

void t.test('damaged and hostile records are left out, counted and named; the others count', async (t) => {
  const good = advisory('GHSA-good', ON, [[{ introduced: '0' }, { fixed: '1.0.0' }]]);
  const affected = (value: unknown): string => JSON.stringify({ id: 'GHSA-x', affected: value });
  const range = (events: unknown): string => affected([{ package: ON, ranges: [{ type: 'SEMVER', events }] }]);
  const hostile: readonly (readonly [string, string])[] = [
    ['{"id":', 'the record is not JSON'],
    ['"text"', 'value: expected an object'],
    ['[]', 'value: expected an object'],
    ['{"affected":[]}', '.id: expected a string'],
    ['{"id":{"a":1}}', '.id: expected a string'],
    ['{"id":"a b"}', '.id: expected letters, digits and ._:+-'],
    ['{"id":"GHSA-\\u001b[31m"}', '.id: expected letters, digits and ._:+-'],
    [`{"id":"${'A'.repeat(1000)}"}`, '.id: expected at most 128 characters'],
    ['{"__proto__":{"id":"GHSA-1","affected":[]}}', '.id: expected a string'],
    [affected('all'), '.affected: expected a list'],
    [affected([null]), '.affected[0]: expected an object'],
    [affected([{ package: { ecosystem: 'npm' } }]), '.affected[0].package.name: expected a string'],
    [
      affected([{ package: { ecosystem: 'npm', name: '' }, versions: ['1'] }]),
      '.affected[0].package.name: expected text',
    ],
    [affected([{ package: ON, versions: 7 }]), '.affected[0].versions: expected a list'],
    [affected([{ package: ON, ranges: [null] }]), '.affected[0].ranges[0]: expected an object'],
    [affected([{ package: ON, ranges: [{ events: [] }] }]), '.affected[0].ranges[0].type: expected a string'],
    [range([{ fixed: 7 }]), '.affected[0].ranges[0].events[0]: expected an event with a version'],
    [range([{ introduced: '0' }, {}]), '.affected[0].ranges[0].events[1]: expected an event with a version'],
    [range([{ introduced: 'x'.repeat(500) }]), '.affected[0].ranges[0].events[0]: expected an event with a version'],
    [
      range(Array.from({ length: 3000 }, () => ({ introduced: '1' }))),
      '.affected[0].ranges[0].events: expected at most 2000 items',
    ],
    [`${'['.repeat(100_000)}${']'.repeat(100_000)}`, 'value: expected an object'],
    [`{"id":"GHSA-big","summary":"${'x'.repeat(17 * 1024 * 1024)}"}`, 'the record is too large'],
  ];
  const directory = temporaryDirectory(t);
  writeFileSync(
    join(directory, 'a.ndjson.gz'),
    gzipSync([JSON.stringify(good), ...hostile.map(([text]) => text)].join('\n')),
  );
  const built = await build([directory], join(directory, 'vulndb.sqlite'));
  if (!built.ok) throw new Error(built.problem);
  t.equal(built.summary.damaged, hostile.length);
  t.equal(built.summary.advisories, 1);
  t.strictSame(
    built.summary.damagedExamples.map(({ place }) => place),
    hostile.slice(0, 20).map(([, place]) => place),
  );
  t.equal(openDatabase(t, join(directory, 'vulndb.sqlite')).info.damaged, hostile.length);
});

void t.test('a record that is made to be slow costs a bounded time', async (t) => {
  const many = (count: number, of: (index: number) => unknown): unknown[] =>
    Array.from({ length: count }, (_, index) => of(index));
  const start = performance.now();
  const { source } = await databaseOf(t, [
    {
      ...advisory('GHSA-slow', ON, []),
      affected: [
        {
          package: ON,
          versions: many(50_000, (index) => `9.${String(index)}.0`),
          ranges: many(40, (range) => ({
            type: 'SEMVER',
            events: many(1000, (index) => ({
              [index % 2 === 0 ? 'introduced' : 'fixed']: `${String(range)}.${String(index + 1)}.0`,
            })),
          })),
        },
      ],
    },
  ]);
  const pkg = { type: 'npm', name: 'a', version: '3.1.0', path: '/x' } as const;
  const { matches } = matchPackages([pkg], undefined, source, { now: 0 });
  t.equal(matches[0]?.fixedVersion, '3.2.0');
  t.ok(performance.now() - start < 20_000);
});

void t.test('a part that is damaged does not take the others with it', async (t) => {
  const { source, info } = await databaseOf(t, [
    {
      id: 'GHSA-1',
      modified: '2026-01-01T00:00:00Z',
      affected: [
        {
          package: ON,
          ranges: [
            { type: 'SEMVER', events: [{ introduced: '0' }, { fixed: '1.0.0' }] },
            { type: 'SEMVER', events: [{}] },
          ],
        },
        { package: { ecosystem: 'npm', name: 'b' }, versions: 'all' },
      ],
    },
  ]);
  t.equal(source.find('npm', 'a').length, 1);
  t.equal(source.find('npm', 'b').length, 0);
  t.equal(info.damaged, 1);
});

void t.test('a truncated or malformed file stops the build, and the old database stays', async (t) => {
  const directory = temporaryDirectory(t);
  const output = join(directory, 'vulndb.sqlite');
  writeFileSync(join(directory, 'good.ndjson'), lines(RECORDS));
  t.match(await build([join(directory, 'good.ndjson')], output), { ok: true });
  const before = digest(output);
  const archive = Buffer.from(zip(RECORDS));
  const central = archive.indexOf(Buffer.from('504b0102', 'hex'));
  const fewer = Buffer.from(archive);
  fewer.writeUInt16LE(49, archive.length - 22 + 10);
  const gzip = gzipSync(lines(RECORDS));
  const cases: readonly (readonly [string, string | Buffer, RegExp])[] = [
    ['cut.ndjson.gz', gzip.subarray(0, -20), /truncated or damaged/],
    [
      'changed.ndjson.gz',
      Buffer.concat([gzip.subarray(0, 60), Buffer.from('zzzz'), gzip.subarray(64)]),
      /truncated or damaged/,
    ],
    ['plain.ndjson.gz', lines(RECORDS), /truncated or damaged/],
    ['cut.ndjson.zst', zstdCompressSync(lines(RECORDS)).subarray(0, -10), /truncated or damaged/],
    // Cut between two files of the archive: each that is left is whole.
    ['cut.zip', archive.subarray(0, central), /has no end/],
    ['counts.zip', fewer, /damaged or cut off/],
    ['empty.zip', '', /has no end/],
    ['kev.json', '{"catalogVersion":"1","vulnerabilities":"none"}', /KEV catalogue does not follow its schema/],
    ['ignored.json', '{"a":1}', /no advisory that can be used/],
  ];
  for (const [name, content, problem] of cases) {
    const file = join(directory, name);
    writeFileSync(file, content);
    const built = await build([file], output);
    t.equal(built.ok, false, name);
    t.match(built.ok ? '' : built.problem, problem, name);
    t.equal(digest(output), before, name);
  }
  t.match(await build([join(directory, 'absent')], output), { ok: false, problem: /ENOENT/ });
  t.match(await build([join(directory, 'good.ndjson')], join(directory, 'no/such/vulndb.sqlite')), {
    ok: false,
    problem: /cannot be written/,
  });
  const { signal } = { signal: AbortSignal.abort() };
  t.match(await build([join(directory, 'good.ndjson')], output, { signal }), { ok: false, problem: 'interrupted' });
  t.equal(digest(output), before);
  t.strictSame(
    readdirSync(directory).filter((name) => name.startsWith('.vulndb')),
    [],
    'nothing is left behind',
  );
});

void t.test('an archive that expands a thousand times is read in bounded memory', async (t) => {
  const directory = temporaryDirectory(t);
  const bomb = zipSync({
    'a.json': Buffer.from(JSON.stringify(RECORDS[0])),
    'bomb.json': new Uint8Array(150 * 1024 * 1024),
  });
  writeFileSync(join(directory, 'all.zip'), bomb);
  const before = process.memoryUsage().rss;
  const built = await build([join(directory, 'all.zip')], join(directory, 'vulndb.sqlite'));
  t.match(built, {
    ok: true,
    summary: { advisories: 1, damaged: 1, damagedExamples: [{ place: 'the record is too large' }] },
  });
  t.ok(process.memoryUsage().rss - before < 140 * 1024 * 1024, 'less than the file of 150 MiB');
});

void t.test('KEV, EPSS, CVSS and ends of life are joined to what advisories name', async (t) => {
  const directory = temporaryDirectory(t);
  const debian = { ecosystem: 'Debian:12', name: 'a' };
  const files: Readonly<Record<string, string | Buffer>> = {
    'a.ndjson': lines([
      advisory('DEBIAN-CVE-2026-0001', debian, [[{ introduced: '0' }]]),
      advisory('ALSA-2026:1', { ecosystem: 'AlmaLinux:9', name: 'a' }, [[{ introduced: '0' }, { fixed: '1-2' }]], {
        record: { related: ['CVE-2026-0001', 'CVE-2026-123456'] },
      }),
    ]),
    'kev.json': JSON.stringify({
      catalogVersion: '2026.01.01',
      dateReleased: '2026-01-01T00:00:00Z',
      vulnerabilities: [
        { cveID: 'CVE-2026-0001', dateAdded: '2025-12-31', dueDate: '2026-01-21', knownRansomwareCampaignUse: 'Known' },
        { cveID: 'CVE-2001-0001', dateAdded: '2025-12-31' },
        { cveID: 'no CVE', dateAdded: '2025-12-31' },
      ],
    }),
    'epss.csv.gz': gzipSync(
      '#model_version:v2026.01.01,score_date:2026-01-03T00:00:00+0000\ncve,epss,percentile\nCVE-2026-0001,0.01234,0.50000\nCVE-2026-123456,0.97,0.99900\nCVE-2026-1,2.0,0.1\n',
    ),
    'cvss.csv': 'cve,cvss_version,vector,score\nCVE-2026-0001,3.1,CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H,9.8\n',
    'debian.csv':
      'version,codename,series,created,release,eol,eol-lts\n12,Bookworm,bookworm,2021-08-14,2023-06-10,2026-06-10,2028-06-30\n14,Forky,forky,2025-08-09\n',
  };
  for (const [name, content] of Object.entries(files)) writeFileSync(join(directory, name), content);
  const built = await build([directory], join(directory, 'vulndb.sqlite'));
  t.match(built, { ok: true, summary: { kevEntries: 1, epssScores: 2, cvssScores: 1, damaged: 2, advisories: 2 } });
  const { source, info, packagesOf } = openDatabase(t, join(directory, 'vulndb.sqlite'));
  t.equal(info.epssAt, Date.UTC(2026, 0, 3));
  t.equal(info.kevAt, Date.UTC(2026, 0, 1));
  const [entry] = source.find('Debian:12', 'a');
  t.match(source.details(entry?.key ?? -1), {
    id: 'DEBIAN-CVE-2026-0001',
    cve: 'CVE-2026-0001',
    cvss: { version: '3.1', score: 9.8 },
    kev: { addedAt: Date.UTC(2025, 11, 31), dueAt: Date.UTC(2026, 0, 21), ransomware: true },
    epss: { score: 0.01234, percentile: 0.5 },
  });
  const [update] = source.find('AlmaLinux:9', 'a');
  const details = source.details(update?.key ?? -1);
  t.match(details, { id: 'ALSA-2026:1', kev: { ransomware: true }, epss: { score: 0.97, percentile: 0.999 } });
  t.strictSame(details.cves, ['CVE-2026-0001', 'CVE-2026-123456']);
  t.equal(details.cve, undefined);
  t.strictSame(packagesOf('CVE-2026-0001'), [
    { ecosystem: 'AlmaLinux:9', name: 'a' },
    { ecosystem: 'Debian:12', name: 'a' },
  ]);
  t.strictSame(packagesOf('DEBIAN-CVE-2026-0001'), [debian]);
  t.strictSame(packagesOf('ALSA-2026:1'), [{ ecosystem: 'AlmaLinux:9', name: 'a' }]);
  t.strictSame(packagesOf("x' OR 1=1 --"), []);
  t.strictSame(source.maintenance({ id: 'debian', versionId: '12', like: [] }), {
    endOfLifeAt: Date.UTC(2026, 5, 10),
    extendedUntil: Date.UTC(2028, 5, 30),
  });
  t.equal(source.maintenance({ id: 'debian', versionId: '14', like: [] }), undefined);
});

void t.test('what is no database is refused', (t) => {
  const directory = temporaryDirectory(t);
  const path = join(directory, 'x.sqlite');
  t.match(openVulnerabilityDatabase(path), { ok: false, code: 'missing' });
  t.match(openVulnerabilityDatabase(directory), { ok: false, code: 'missing' });
  for (const content of ['', 'text', 'SQLite format 3\0', `SQLite format 3\0${'x'.repeat(5000)}`]) {
    writeFileSync(path, content);
    t.match(openVulnerabilityDatabase(path), { ok: false, code: 'damaged' });
  }
  t.end();
});
