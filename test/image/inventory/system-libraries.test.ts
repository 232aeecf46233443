import { spawnSync } from 'node:child_process';
import { copyFileSync, cpSync, existsSync, lstatSync, mkdirSync, readdirSync, symlinkSync } from 'node:fs';
import { basename, join } from 'node:path';
import t from 'tap';
import { inventoryOf, makeRoot } from '../../fixture/image-root.ts';

const LIBRARIES = '/usr/lib/x86_64-linux-gnu';
const DPKG = 'Package: libc6\nStatus: install ok installed\nVersion: 2.41-12\nArchitecture: amd64\n\n';
const APK = 'P:musl\nV:1.2.5-r1\nA:x86_64\nF:lib\nR:ld-musl-x86_64.so.1\n\n';

const CASES: readonly {
  readonly name: string;
  readonly files: Readonly<Record<string, string>>;
  /** Directory and first library of each gap. */
  readonly gaps: readonly (readonly [string, string])[];
}[] = [
  {
    name: 'the package database was removed from the image',
    files: { 'etc/os-release': 'ID=debian\nVERSION_ID=13\n', [`${LIBRARIES}/libc.so.6`]: '', 'usr/lib64/libz.so': '' },
    gaps: [
      ['/usr/lib/x86_64-linux-gnu', 'libc.so.6'],
      ['/usr/lib64', 'libz.so'],
    ],
  },
  {
    name: 'one package was removed from the database',
    files: {
      'etc/os-release': 'ID=debian\nVERSION_ID=13\n',
      'var/lib/dpkg/status': DPKG,
      'var/lib/dpkg/info/libc6:amd64.list': '/usr/lib/x86_64-linux-gnu/libc.so.6\n',
      [`${LIBRARIES}/libc.so.6`]: '',
      [`${LIBRARIES}/libssl.so.3`]: '',
      [`${LIBRARIES}/libcrypto.so.3`]: '',
    },
    gaps: [['/usr/lib/x86_64-linux-gnu', 'libcrypto.so.3']],
  },
  {
    name: 'Alpine, complete and with a library that somebody copied',
    files: {
      'etc/os-release': 'ID=alpine\nVERSION_ID=3.20.1\n',
      'lib/apk/db/installed': APK,
      'lib/ld-musl-x86_64.so.1': '',
    },
    gaps: [],
  },
  {
    name: 'Alpine with a library that somebody copied',
    files: {
      'etc/os-release': 'ID=alpine\nVERSION_ID=3.20.1\n',
      'lib/apk/db/installed': APK,
      'lib/ld-musl-x86_64.so.1': '',
      'usr/lib/libssl.so.3': '',
    },
    gaps: [['/usr/lib', 'libssl.so.3']],
  },
  {
    name: 'a database without any file list does not say what belongs to a package',
    files: {
      'etc/os-release': 'ID=debian\nVERSION_ID=13\n',
      'var/lib/dpkg/status': DPKG,
      [`${LIBRARIES}/libc.so.6`]: '',
    },
    gaps: [],
  },
  {
    name: 'libraries elsewhere are of no distribution',
    files: { 'opt/app/lib/libapp.so': '', 'usr/local/lib/libpython3.so': '', 'usr/lib/python3/x/y.so': '' },
    gaps: [],
  },
];

for (const { name, files, gaps } of CASES)
  void t.test(name, (t) => {
    const root = makeRoot(
      t,
      Object.fromEntries(Object.entries(files).map(([path, text]) => [path.replace(/^\//, ''), text])),
    );
    // That a distribution has no package at all is another gap (dpkg.test.ts).
    const found = inventoryOf(root).gaps.filter(({ path }) => path !== '/etc/os-release');
    t.strictSame(
      found.map(({ path }) => path),
      gaps.map(([directory]) => directory),
    );
    for (const [index, [, library]] of gaps.entries()) {
      t.match(found[index]?.reason, /^no package of the operating system lists/);
      t.ok(found[index]?.reason.endsWith(` ${library}`), found[index]?.reason ?? '');
    }
    t.end();
  });

const isDebian = existsSync('/var/lib/dpkg/status') && existsSync(LIBRARIES);
void t.test(
  'libraries of this machine: those that dpkg-query knows',
  { skip: !isDebian && 'not Debian on x86-64' },
  (t) => {
    const root = makeRoot(t, { 'etc/os-release': 'ID=debian\nVERSION_ID=13\n' });
    mkdirSync(join(root, 'var/lib'), { recursive: true });
    cpSync('/var/lib/dpkg', join(root, 'var/lib/dpkg'), { recursive: true });
    mkdirSync(join(root, LIBRARIES), { recursive: true });
    symlinkSync('usr/lib', join(root, 'lib'));
    const names = readdirSync(LIBRARIES).filter(
      (name) => /\.so(\.|$)/.test(name) && lstatSync(join(LIBRARIES, name)).isFile(),
    );
    // The inventory does not read the content of libraries.
    for (const name of names) copyFileSync('/dev/null', join(root, LIBRARIES, name));
    // A path that a package lists in /lib is the same file, since /lib is a link to /usr/lib.
    const paths = names.flatMap((name) => [join(LIBRARIES, name), join('/lib/x86_64-linux-gnu', name)]);
    const { stdout } = spawnSync('dpkg-query', ['-S', ...paths], { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 });
    const listed = new Set(stdout.split('\n').map((line) => basename(line.slice(line.lastIndexOf(': ') + 2))));
    const expected = names.filter((name) => !listed.has(name)).toSorted();
    t.ok(names.length > 50, `${String(names.length)} libraries`);
    const gap = inventoryOf(root).gaps.find(({ path }) => path === LIBRARIES);
    if (expected.length === 0) t.equal(gap, undefined);
    else if (expected.length > 1)
      t.match(gap?.reason, `lists ${String(expected.length)} shared libraries, such as ${expected[0] ?? ''}`);
    else t.match(gap?.reason, `lists the shared library ${expected[0] ?? ''}`);
    t.end();
  },
);
