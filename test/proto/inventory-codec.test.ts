import { existsSync, readFileSync } from 'node:fs';
import { brotliCompressSync, gunzipSync } from 'node:zlib';
import { hash } from 'node:crypto';
import fc from 'fast-check';
import t from 'tap';
import { decodeInventory, encodeInventory, INVENTORY_LIMITS } from '../../proto/inventory-codec.ts';
import type { Inventory, Package } from '../../vulnerability/package.ts';
import { cpuMs } from '../fixture/cpu-time.ts';

const ORACLE = new URL('../../../shared/vulndata/oracle/', import.meta.url);

const deb = (over: Partial<Package> = {}): Package => ({
  type: 'deb',
  name: 'libssl3',
  version: '3.0.15-1~deb12u1',
  architecture: 'amd64',
  source: { name: 'openssl', version: '3.0.15-1~deb12u1' },
  vendor: 'Debian OpenSSL Team <pkg-openssl-devel@alioth-lists.debian.net>',
  path: '/var/lib/dpkg/status',
  ...over,
});
const debian = { id: 'debian', versionId: '12', codename: 'bookworm', like: [] };

await t.test('what is decoded is what was encoded; the order does not matter', async (t) => {
  const packages: readonly Package[] = [
    deb(),
    deb({ name: 'bash', version: '5.2.15-2+b7', source: { name: 'bash', version: '5.2.15-2' } }),
    { type: 'npm', name: '@a/b', version: '1.0.0', path: '/app/node_modules/@a/b/package.json' },
    { type: 'npm', name: 'a', version: '1', path: '/app/node_modules/a/package.json' },
    { type: 'maven', name: 'org.x:y', version: '2.0', path: '/y-2.0.jar' },
  ];
  const inventory: Inventory = { distribution: debian, packages, gaps: [{ path: '/x', reason: 'damaged' }] };
  const encoded = await encodeInventory(inventory);
  const decoded = await decodeInventory(encoded);
  if (!decoded.ok) throw new Error(decoded.problem);
  t.same(new Set(decoded.value.packages), new Set(packages));
  t.same(decoded.value.distribution, debian);
  t.same(decoded.value.gaps, inventory.gaps);
  const again = await encodeInventory({ ...inventory, packages: packages.toReversed() });
  t.equal(again.digest, encoded.digest);
  const other = await encodeInventory({ ...inventory, packages: packages.slice(1) });
  t.not(other.digest, encoded.digest);
});

await t.test('setuid and setgid files', async (t) => {
  const setuid = {
    files: [
      { path: '/usr/bin/su', mode: 0o4755 },
      { path: '/bin/wall', mode: 0o2755 },
    ],
    gaps: [{ path: '/opt', reason: 'not read' }],
  };
  const encoded = await encodeInventory({ packages: [], gaps: [], setuid });
  const decoded = await decodeInventory(encoded);
  t.same(decoded.ok && decoded.value.setuid, { ...setuid, files: setuid.files.toReversed() }, 'sorted by path');
  const reversed = { ...setuid, files: setuid.files.toReversed() };
  t.equal((await encodeInventory({ packages: [], gaps: [], setuid: reversed })).digest, encoded.digest);
  const without = await decodeInventory(await encodeInventory({ packages: [], gaps: [] }));
  t.equal(without.ok && without.value.setuid, undefined, 'nobody looked is not none');
  const files = Array.from({ length: 1000 }, (_, index) => ({ path: `/${String(index)}`, mode: 0o4755 }));
  const long = { path: `/${'x'.repeat(2000)}`, mode: 0o4755 };
  const cut = await decodeInventory(
    await encodeInventory({ packages: [], gaps: [], setuid: { files: [long, ...files], gaps: [] } }),
  );
  t.equal(cut.ok && cut.value.setuid?.files.length, INVENTORY_LIMITS.setuidFiles);
  t.match(cut.ok && cut.value.setuid?.gaps, [{ path: '/', reason: '745 further setuid or setgid files are left out' }]);
});

/** The two characters that paths are shortened with come back as U+FFFD. */
const hasNoMark = (text: string): boolean => !text.includes('\u0001') && !text.includes('\u0002');

await t.test('any inventory comes back, whatever its strings hold', async () => {
  const text = fc.string({ unit: 'binary', maxLength: 40 });
  const anyPackage = fc.record({
    type: fc.constantFrom('deb', 'npm', 'golang') as fc.Arbitrary<Package['type']>,
    name: text.filter(hasNoMark),
    version: text.filter(hasNoMark),
    path: text.filter(hasNoMark),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(anyPackage, { maxLength: 8 }), async (packages) => {
      const decoded = await decodeInventory(await encodeInventory({ packages, gaps: [] }));
      if (!decoded.ok) throw new Error(decoded.problem);
      const sorted = (list: readonly Package[]): readonly string[] => list.map((one) => JSON.stringify(one)).sort();
      const wellFormed = packages.map(({ type, name, version, path }) => ({
        type,
        name: name.toWellFormed(),
        version: version.toWellFormed(),
        path: path.toWellFormed(),
      }));
      return JSON.stringify(sorted(decoded.value.packages)) === JSON.stringify(sorted(wellFormed));
    }),
    { numRuns: 200 },
  );
});

await t.test('what exceeds the limits is left out and told as a gap', async (t) => {
  const packages = Array.from({ length: INVENTORY_LIMITS.packages + 5 }, (_, index) =>
    deb({ name: `p${String(index)}`, version: '1' }),
  );
  const gaps = Array.from({ length: 400 }, (_, index) => ({ path: `/${String(index)}`, reason: 'damaged' }));
  const decoded = await decodeInventory(
    await encodeInventory({ packages: [deb({ name: 'x'.repeat(600) }), ...packages], gaps }),
  );
  if (!decoded.ok) throw new Error(decoded.problem);
  t.equal(decoded.value.packages.length, INVENTORY_LIMITS.packages);
  t.ok(decoded.value.gaps.length <= INVENTORY_LIMITS.gaps);
  const reasons = decoded.value.gaps.map(({ reason }) => reason).join('\n');
  t.match(reasons, /5 packages beyond the limit/);
  t.match(reasons, /1 packages have names or versions that are too long/);
  t.match(reasons, /further gaps are left out/);
});

await t.test('hostile bytes: a reason, in bounded time and memory', async (t) => {
  const good = await encodeInventory({ distribution: debian, packages: [deb()], gaps: [] });
  const named = (text: string | Buffer) => ({ digest: hash('sha256', text, 'hex'), bytes: brotliCompressSync(text) });
  const wire = (over: object): string =>
    JSON.stringify({
      format: 1,
      distribution: null,
      types: { values: ['npm'], indexes: [0] },
      names: ['n'],
      versions: ['1'],
      sourceNames: [''],
      sourceVersions: [''],
      architectures: { values: [''], indexes: [0] },
      modularities: { values: [''], indexes: [0] },
      vendors: { values: [''], indexes: [0] },
      paths: { values: ['/p'], indexes: [0] },
      gaps: [],
      ...over,
    });
  t.ok((await decodeInventory(named(wire({})))).ok, 'the form that the cases start from is right');
  const many = 40_000;
  const longNames = Array.from({ length: many }, () => 'n'.repeat(100));
  const ones = Array.from({ length: many }, () => '');
  const zeros = { values: [''], indexes: Array.from({ length: many }, () => 0) };
  const cases: Record<string, { readonly digest: string; readonly bytes: Uint8Array }> = {
    'another digest': { ...good, digest: '0'.repeat(64) },
    'no Brotli': { ...good, bytes: Buffer.from('not compressed') },
    cut: { ...good, bytes: good.bytes.subarray(0, -4) },
    'a bomb': named(Buffer.alloc(INVENTORY_LIMITS.textBytes + 1, 0x20)),
    'too many bytes': { ...good, bytes: Buffer.alloc(INVENTORY_LIMITS.bytes + 1) },
    'no JSON': named('{'),
    'another format': named(wire({ format: 2 })),
    'columns of other length': named(wire({ versions: [] })),
    'an index without a value': named(wire({ paths: { values: [], indexes: [0] } })),
    'values that no package uses': named(wire({ vendors: { values: ['', 'x'.repeat(200)], indexes: [0] } })),
    'types that no package uses': named(wire({ types: { values: ['npm', 'deb'], indexes: [0] } })),
    'a value that is there twice': named(wire({ paths: { values: ['/p', '/p'], indexes: [0] } })),
    'values before their first use': named(wire({ architectures: { values: ['a', 'b'], indexes: [1] } })),
    'a type that we do not know': named(wire({ types: { values: ['exe'], indexes: [0] } })),
    'deeply nested': named(wire({ gaps: JSON.parse('['.repeat(2000) + ']'.repeat(2000)) as unknown })),
    'a path made of names': named(wire({ paths: { values: ['\u0001'.repeat(100)], indexes: [0] } })),
    'paths that grow': named(
      wire({
        types: { values: ['npm'], indexes: zeros.indexes },
        names: longNames,
        versions: ones,
        sourceNames: ones,
        sourceVersions: ones,
        architectures: zeros,
        modularities: zeros,
        vendors: zeros,
        paths: { values: [`${'x'.repeat(900)}${'\u0001'.repeat(8)}`], indexes: zeros.indexes },
      }),
    ),
  };
  for (const [name, encoded] of Object.entries(cases)) {
    const startedMs = cpuMs();
    const decoded = await decodeInventory(encoded);
    t.notOk(decoded.ok, name);
    t.ok(cpuMs() - startedMs < 2000, `${name}: in bounded time`);
  }
  const polluted = await decodeInventory(named(wire({}).replace('{', '{"__proto__":{"polluted":1},')));
  t.ok(polluted.ok);
  t.notOk('polluted' in {});
});

await t.test(
  'an image with 182 Debian packages and an npm application takes at most 12 KB',
  {
    skip: existsSync(ORACLE) ? false : 'the shared data is not here',
  },
  async (t) => {
    const status = gunzipSync(readFileSync(new URL('app.dpkg-status.gz', ORACLE))).toString('utf8');
    const packages: Package[] = status
      .split('\n\n')
      .filter((block) => /^Status: install ok installed$/m.test(block))
      .map((block) => {
        const field = (name: string): string => new RegExp(`^${name}: (.*)$`, 'm').exec(block)?.[1] ?? '';
        const [, sourceName = field('Package'), , sourceVersion = field('Version')] =
          /^(\S+)( \((.*)\))?$/.exec(field('Source')) ?? [];
        return {
          type: 'deb' as const,
          name: field('Package'),
          version: field('Version'),
          architecture: field('Architecture'),
          vendor: field('Maintainer'),
          source: { name: sourceName, version: sourceVersion },
          path: '/var/lib/dpkg/status',
        };
      });
    const lock = JSON.parse(readFileSync(new URL('app.package-lock.json', ORACLE), 'utf8')) as {
      readonly packages: Record<string, { readonly version: string }>;
    };
    for (const [place, { version }] of Object.entries(lock.packages)) {
      if (place === '') continue;
      const name = place.slice(place.lastIndexOf('node_modules/') + 'node_modules/'.length);
      packages.push({ type: 'npm', name, version, path: `/app/${place}/package.json` });
    }
    const { bytes } = await encodeInventory({ distribution: debian, packages, gaps: [] });
    t.ok(packages.length > 200, `${String(packages.length)} packages`);
    t.ok(bytes.length <= 12 * 1024, `${String(bytes.length)} bytes`);
    t.comment(`${String(packages.length)} packages: ${String(bytes.length)} bytes`);
  },
);
