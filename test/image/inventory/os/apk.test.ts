import t from 'tap';
import { inventoryOf, makeRoot } from '../../../fixture/image-root.ts';

/** As apk-tools writes it: a package of Alpine 3.22 with files, and one of another origin. */
const INSTALLED = `C:Q1fe7sKSfqvhkmeRRQrQ8pUyPVBKk=
P:musl
V:1.2.5-r10
A:x86_64
S:407278
I:667648
T:the musl c library (libc) implementation
U:https://musl.libc.org/
L:MIT
o:musl
m:Natanael Copa <ncopa@alpinelinux.org>
t:1747741226
c:b6c96ad6c6a2d2a3d5a3ce1b8f6e4c6f8a8d1a20
F:lib
R:ld-musl-x86_64.so.1
a:0:0:755
Z:Q1abc=

C:Q1kg6x6rxQfg3lEqC1vDYFvAhR3Zs=
P:libssl3
V:3.5.0-r0
A:x86_64
T:SSL shared libraries
L:Apache-2.0
o:openssl
F:usr
F:usr/lib
R:libssl.so.3

`;
const RELEASE = 'NAME="Alpine Linux"\nID=alpine\nVERSION_ID=3.22.1\nPRETTY_NAME="Alpine Linux v3.22"\n';

void t.test('the installed database of apk-tools', (t) => {
  const root = makeRoot(t, { 'lib/apk/db/installed': INSTALLED, 'etc/os-release': RELEASE });
  t.strictSame(inventoryOf(root), {
    distribution: { id: 'alpine', versionId: '3.22.1', like: [] },
    packages: [
      {
        type: 'apk',
        name: 'libssl3',
        version: '3.5.0-r0',
        architecture: 'x86_64',
        source: { name: 'openssl', version: '3.5.0-r0' },
        path: '/lib/apk/db/installed',
      },
      {
        type: 'apk',
        name: 'musl',
        version: '1.2.5-r10',
        architecture: 'x86_64',
        vendor: 'Natanael Copa <ncopa@alpinelinux.org>',
        path: '/lib/apk/db/installed',
      },
    ],
    gaps: [],
    setuid: { files: [], gaps: [] },
  });
  t.end();
});

void t.test('a merged /usr: one database, read once', (t) => {
  const root = makeRoot(t, {
    'usr/lib/apk/db/installed': INSTALLED,
    lib: { link: 'usr/lib' },
    'etc/os-release': RELEASE,
  });
  const { packages } = inventoryOf(root);
  t.strictSame(
    packages.map(({ path }) => path),
    ['/usr/lib/apk/db/installed', '/usr/lib/apk/db/installed'],
  );
  t.end();
});

void t.test('entries that break the format are a gap beside those that do not', (t) => {
  const root = makeRoot(t, {
    'lib/apk/db/installed': `${INSTALLED}P:noversion\n\nP:bad name\nV:1\n\nnonsense\n\n`,
    'etc/os-release': RELEASE,
  });
  const { packages, gaps } = inventoryOf(root);
  t.equal(packages.length, 2);
  t.strictSame(gaps, [{ path: '/lib/apk/db/installed', reason: 'apk: 3 malformed entries' }]);
  t.end();
});

void t.test('a record without a known field, a lost empty line and a name that is none are counted', (t) => {
  for (const record of ['C:Q1x\nS:1\n', 'P:a\nV:1\nP:b\nV:2\n', 'P:a/b\nV:1\n']) {
    const root = makeRoot(t, { 'lib/apk/db/installed': `${INSTALLED}${record}`, 'etc/os-release': RELEASE });
    t.strictSame(
      inventoryOf(root).gaps,
      [{ path: '/lib/apk/db/installed', reason: 'apk: 1 malformed entries' }],
      record,
    );
  }
  t.end();
});
