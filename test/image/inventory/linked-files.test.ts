import { tmpdir } from 'node:os';
import t from 'tap';
import { openArchiveTree } from '../../../image/inventory/archive/archive-tree.ts';
import { isInventoryLink, takeInventory } from '../../../image/inventory/inventory.ts';
import { makeTar, ociLayout, writeArchive } from '../../fixture/image-archive.ts';
import type { TarSpec } from '../../fixture/image-archive.ts';
import { inventoryOf, makeRoot } from '../../fixture/image-root.ts';
import type { FileSpec } from '../../fixture/image-root.ts';
import type { Inventory } from '../../../vulnerability/package.ts';

type Files = Readonly<Record<string, FileSpec>>;

const npm = (name: string): string => JSON.stringify({ name, version: '1.0.0' });
const METADATA = 'Metadata-Version: 2.1\nName: evil\nVersion: 1.0\n';
const GEM = 'Gem::Specification.new do |s|\n  s.name = "evil".freeze\n  s.version = "1.0"\nend\n';
const RELEASE: Files = { 'etc/os-release': 'ID=debian\nVERSION_ID="12"\n' };
const STATUS = 'Package: base-files\nStatus: install ok installed\nVersion: 12\n';
const ALPINE: Files = { 'usr/lib/os-release': 'ID=alpine\nVERSION_ID=3.22.0\n' };
const link = (target: string): FileSpec => ({ link: target });

/** What lies behind links, and the packages that the program which installs or imports them sees there. */
const CASES: readonly (readonly [name: string, files: Files, packages: readonly string[]])[] = [
  [
    'node_modules is a link',
    {
      'opt/lib/evil/package.json': npm('evil'),
      'opt/lib/@s/b/package.json': npm('@s/b'),
      'app/node_modules': link('/opt/lib'),
    },
    ['npm @s/b /app/node_modules/@s/b/package.json', 'npm evil /app/node_modules/evil/package.json'],
  ],
  [
    'a package is a link, as `npm link` makes it',
    { 'src/evil/package.json': npm('evil'), 'usr/lib/node_modules/evil': link('../../../src/evil') },
    ['npm evil /usr/lib/node_modules/evil/package.json'],
  ],
  [
    'a scope is a link, below a linked node_modules',
    { 'srv/s/b/package.json': npm('@s/b'), 'opt/l/@s': link('../../srv/s'), 'app/node_modules': link('/opt/l') },
    ['npm @s/b /app/node_modules/@s/b/package.json'],
  ],
  [
    'package.json is a link',
    { 'opt/m.json': npm('evil'), 'app/node_modules/evil/package.json': link('../../../opt/m.json') },
    ['npm evil /app/node_modules/evil/package.json'],
  ],
  [
    'the layout of pnpm: each package once',
    {
      'app/node_modules/.pnpm/a@1.0.0/node_modules/a/package.json': npm('a'),
      'app/node_modules/.pnpm/a@1.0.0/node_modules/b': link('../../b@1.0.0/node_modules/b'),
      'app/node_modules/.pnpm/b@1.0.0/node_modules/b/package.json': npm('b'),
      'app/node_modules/a': link('.pnpm/a@1.0.0/node_modules/a'),
    },
    [
      'npm a /app/node_modules/.pnpm/a@1.0.0/node_modules/a/package.json',
      'npm b /app/node_modules/.pnpm/b@1.0.0/node_modules/b/package.json',
    ],
  ],
  [
    'a chain of links, and two links to one package',
    {
      'opt/real/package.json': npm('evil'),
      'opt/one': link('real'),
      'a/node_modules/evil': link('/opt/one'),
      'b/node_modules/evil': link('/opt/real'),
    },
    ['npm evil /a/node_modules/evil/package.json'],
  ],
  [
    'links that go in circles, out of the image or nowhere',
    {
      'opt/l/evil/package.json': npm('evil'),
      'app/node_modules': link('../../../../../../opt/l'),
      'opt/l/again': link('../l'),
      'b/node_modules': link('node_modules'),
      'c/node_modules': link('.'),
      'd/node_modules/x': link('/absent'),
    },
    ['npm evil /app/node_modules/evil/package.json'],
  ],
  [
    'a lock file is a link',
    {
      'opt/lock': '# yarn lockfile v1\n\nevil@^1:\n  version "1.0.0"\n',
      'app/yarn.lock': link('/opt/lock'),
    },
    ['npm evil /app/yarn.lock'],
  ],
  [
    'metadata of Python: its directory, and the file',
    { 'opt/m/METADATA': METADATA, 'site/evil-1.0.dist-info': link('/opt/m') },
    ['pypi evil /site/evil-1.0.dist-info/METADATA'],
  ],
  [
    'an egg-info that is a link',
    { 'opt/info': METADATA, 'site/evil.egg-info': link('/opt/info') },
    ['pypi evil /site/evil.egg-info'],
  ],
  [
    'site-packages is a link',
    { 'opt/site/evil-1.0.dist-info/METADATA': METADATA, 'usr/lib/python3/site-packages': link('/opt/site') },
    ['pypi evil /opt/site/evil-1.0.dist-info/METADATA'],
  ],
  [
    'specifications of gems: the directory, and one file',
    { 'opt/g/evil-1.0.gemspec': GEM, 'usr/lib/ruby/gems/3.1/specifications': link('/opt/g') },
    ['gem evil /usr/lib/ruby/gems/3.1/specifications/evil-1.0.gemspec'],
  ],
  [
    'default gems',
    { 'opt/g': GEM, 'r/specifications/default/evil-1.0.gemspec': link('/opt/g') },
    ['gem evil /r/specifications/default/evil-1.0.gemspec'],
  ],
  [
    'Composer',
    { 'opt/c/installed.json': '[{"name":"a/b","version":"1.0"}]', 'app/vendor/composer': link('/opt/c') },
    ['composer a/b /app/vendor/composer/installed.json'],
  ],
  [
    '.NET',
    { 'opt/d': '{"libraries":{"Evil/1.0":{"type":"package"}}}', 'app/x.deps.json': link('/opt/d') },
    ['nuget Evil /app/x.deps.json'],
  ],
  [
    'the directory of dpkg, with its lists of files',
    {
      ...RELEASE,
      'opt/dpkg/status': STATUS,
      'opt/dpkg/info/base-files.list': '/opt/l/evil/package.json\n',
      'opt/l/evil/package.json': npm('evil'),
      'app/node_modules': link('/opt/l'),
      'var/lib/dpkg': link('/opt/dpkg'),
    },
    ['deb base-files /opt/dpkg/status'],
  ],
  [
    'status.d of dpkg',
    { ...RELEASE, 'opt/s/base': STATUS, 'var/lib/dpkg/status.d': link('/opt/s') },
    ['deb base-files /opt/s/base'],
  ],
  [
    'apk, where /lib is a link, and os-release is one',
    {
      ...ALPINE,
      'usr/lib/apk/db/installed': 'P:musl\nV:1.2\n\n',
      lib: link('usr/lib'),
      'etc/os-release': link('../usr/lib/os-release'),
    },
    ['apk musl /usr/lib/apk/db/installed'],
  ],
  [
    'apk, behind a link',
    { ...ALPINE, 'opt/db/installed': 'P:musl\nV:1.2\n\n', 'lib/apk/db': link('/opt/db') },
    ['apk musl /opt/db/installed'],
  ],
];

const shown = ({ packages, gaps }: Inventory): string[] => [
  ...packages.map(({ type, name, path }) => `${type} ${name} ${path}`),
  ...gaps.map(({ path, reason }) => `${path}: ${reason}`),
];

async function archived(t: Parameters<typeof makeRoot>[0], files: Files): Promise<Inventory> {
  const specs = Object.entries(files).map(([name, content]): TarSpec =>
    typeof content === 'string' || content instanceof Uint8Array
      ? [name, content]
      : { name, type: 'symlink', linkname: content.link },
  );
  const path = writeArchive(t, await makeTar(ociLayout([await makeTar(specs)])));
  const opened = await openArchiveTree(path, { temporaryDirectory: tmpdir() });
  if (!opened.ok) throw new Error(opened.reason);
  try {
    return takeInventory(opened.tree);
  } finally {
    opened.tree.close();
  }
}

void t.test('packages behind links are found, in a directory and in an archive', async (t) => {
  for (const [name, files, packages] of CASES) {
    t.strictSame(shown(inventoryOf(makeRoot(t, files))), packages, name);
    t.strictSame(shown(await archived(t, files)), packages, `${name}, in an archive`);
  }
});

void t.test('libraries behind a link of their directory are system libraries', async (t) => {
  const files: Files = {
    ...RELEASE,
    'var/lib/dpkg/status': STATUS,
    'var/lib/dpkg/info/base-files.list': '/usr/lib/libowned.so.1\n',
    'opt/l/libowned.so.1': 'x',
    'opt/l/libevil.so.1': 'x',
    'opt/l/libevil.so': link('libevil.so.1'),
    'usr/lib': link('../opt/l'),
  };
  const expected = [
    'deb base-files /var/lib/dpkg/status',
    '/usr/lib: no package of the operating system lists the shared library libevil.so.1',
  ];
  // A link of the same directory comes first where its name does.
  const normal = (lines: readonly string[]): string[] =>
    lines.map((line) => line.replace(/libevil\.so$/, 'libevil.so.1'));
  t.strictSame(normal(shown(inventoryOf(makeRoot(t, files)))), expected);
  t.strictSame(normal(shown(await archived(t, files))), expected);
});

void t.test('too many names behind links are a gap', (t) => {
  const files: Record<string, FileSpec> = {};
  for (let index = 0; index < 900; index += 1) {
    files[`l/p${String(index)}/x`] = '';
    files[`a${String(index)}/node_modules`] = link('/l');
  }
  t.match(inventoryOf(makeRoot(t, files)).gaps, [{ reason: /too many links/ }]);
  t.end();
});

void t.test('which links matter', (t) => {
  for (const path of [
    '/a/node_modules',
    '/a/node_modules/@s',
    '/node_modules/x',
    '/x-1.dist-info',
    '/a.jar',
    '/yarn.lock',
  ])
    t.equal(isInventoryLink(path), true, path);
  for (const path of ['/bin', '/lib', '/usr/bin/python', '/etc/os-release', '/a/package.json'])
    t.equal(isInventoryLink(path), false, path);
  t.end();
});
