import t from 'tap';
import { openDirectoryTree } from '../../../image/inventory/directory-tree.ts';
import { parseOsRelease } from '../../../image/inventory/distribution.ts';
import { takeInventory } from '../../../image/inventory/inventory.ts';

void t.test('os-release(5)', (t) => {
  const rows: readonly [string, string, unknown][] = [
    [
      'Debian',
      'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nVERSION_ID="12"\nVERSION_CODENAME=bookworm\nID=debian\n',
      { id: 'debian', versionId: '12', codename: 'bookworm', like: [] },
    ],
    [
      'AlmaLinux',
      'ID="almalinux"\nID_LIKE="rhel centos fedora"\nVERSION_ID="9.4"\n',
      { id: 'almalinux', versionId: '9.4', like: ['rhel', 'centos', 'fedora'] },
    ],
    ['a rolling release', "ID='arch'\n", { id: 'arch', like: [] }],
    ['the last value counts', 'ID=a\nID=b\n', { id: 'b', like: [] }],
    ['comments, blanks', '# x\n\n ID=a \nVERSION_ID=\n', { id: 'a', like: [] }],
    ['no ID', 'NAME=x\n', undefined],
    ['an ID that is none', 'ID="a b"\n', undefined],
    ['prototype keys', '__proto__=x\nID=__proto__x\n', { id: '__proto__x', like: [] }],
    ['a version that is none', 'ID=debian\nVERSION_ID="12; x"\n', { id: 'debian', like: [] }],
  ];
  for (const [name, text, wanted] of rows) t.strictSame(parseOsRelease(text), wanted, name);
  t.end();
});

void t.test('minimal images: the release files of Alpine and Debian where there is no os-release', (t) => {
  const debian = { id: 'debian', versionId: '12', like: [] };
  const rows: readonly [string, Record<string, string>, unknown][] = [
    ['Debian', { debian_version: '12.5\n' }, debian],
    ['testing', { debian_version: 'trixie/sid\n' }, undefined],
    ['not a version', { debian_version: `${'9'.repeat(400)}.1` }, undefined],
    ['Alpine', { 'alpine-release': '3.18.4\n' }, { id: 'alpine', versionId: '3.18.4', like: [] }],
    ['Alpine edge', { 'alpine-release': '3.23_alpha20250612\n' }, { versionId: '3.23_alpha20250612' }],
    ['hostile', { 'alpine-release': '3.18\n3.19; x' }, undefined],
    ['a derivative', { debian_version: '12.5\n', 'os-release': 'ID=kali\n' }, { id: 'kali' }],
    ['an os-release that names nothing', { debian_version: '12.5\n', 'os-release': 'NAME=x\n' }, undefined],
  ];
  for (const [name, etc, wanted] of rows) {
    const tree = openDirectoryTree(t.testdir({ etc }), { mounts: 'gap' });
    t.match(takeInventory(tree).distribution, wanted, name);
    t.equal(takeInventory(tree).distribution === undefined, wanted === undefined, name);
    tree.close();
  }
  // As Bazel lays out a distroless image: a file and a list of checksums for each package, and no status.
  const statusDirectory = {
    libssl3: 'Package: libssl3\nSource: openssl\nVersion: 3.0.11-1~deb12u2\nArchitecture: amd64\n',
    'libssl3.md5sums': 'd41d8cd98f00b204e9800998ecf8427e  usr/lib/x86_64-linux-gnu/libssl.so.3\n',
    tzdata: 'Package: tzdata\nVersion: 2024a-0+deb12u1\nArchitecture: all\n\n',
  };
  const root = { etc: { debian_version: '12.5\n' }, var: { lib: { dpkg: { 'status.d': statusDirectory } } } };
  const tree = openDirectoryTree(t.testdir(root), { mounts: 'gap' });
  t.match(takeInventory(tree), {
    distribution: debian,
    packages: [
      { name: 'libssl3', source: { name: 'openssl', version: '3.0.11-1~deb12u2' } },
      { name: 'tzdata', version: '2024a-0+deb12u1' },
    ],
    gaps: [],
  });
  tree.close();
  t.end();
});
