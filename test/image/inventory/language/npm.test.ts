import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import t from 'tap';
import { npm } from '../../../../image/inventory/language/npm.ts';
import { realFiles } from '../../../fixture/memory-tree.ts';
import { detectIn } from './detect.ts';
import { cpuMs } from '../../../fixture/cpu-time.ts';

const root = new URL('../../../../', import.meta.url).pathname;
const ORACLE = new URL('../../../../../shared/vulndata/oracle/app.package-lock.json', import.meta.url).pathname;

interface Listed {
  readonly name?: string;
  readonly version?: string;
  readonly dependencies?: Readonly<Record<string, Listed>>;
}

/** Names and versions in the answer of `npm ls --all --json`. */
function flatten(listed: Listed, into = new Set<string>()): ReadonlySet<string> {
  for (const [name, entry] of Object.entries(listed.dependencies ?? {})) {
    if (entry.version !== undefined) into.add(`${name} ${entry.version}`);
    flatten(entry, into);
  }
  return into;
}

const manifest = (name: string, version: string, rest: object = {}): string =>
  JSON.stringify({ name, version, ...rest });

void t.test('finds in the node_modules of this repository what npm lists', (t) => {
  const { stdout } = spawnSync('npm', ['ls', '--all', '--json'], {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
  const wanted = [...flatten(JSON.parse(stdout) as Listed)].toSorted();
  t.ok(wanted.length > 200, `npm lists ${String(wanted.length)} packages`);
  const files = realFiles(`${root}node_modules`, ({ path }) =>
    npm.matches({ path: `/app/node_modules${path}`, sizeBytes: 0, mode: 0o644 }),
  );
  const content = Object.fromEntries(Object.entries(files).map(([path, bytes]) => [`/app/node_modules${path}`, bytes]));
  const found = detectIn(npm, content);
  const names = new Set(found.packages);
  t.strictSame(
    [...names].toSorted().filter((each) => !wanted.includes(each)),
    [],
    'nothing else',
  );
  t.strictSame(
    wanted.filter((each) => !names.has(each)),
    [],
    'nothing missing',
  );
  t.strictSame(found.gaps, []);
  t.end();
});

void t.test(
  'finds in a lock file of npm what it pins',
  { skip: existsSync(ORACLE) ? false : 'no shared data' },
  (t) => {
    const text = readFileSync(ORACLE, 'utf8');
    const lock = JSON.parse(text) as { packages: Record<string, { version: string }> };
    const wanted = Object.entries(lock.packages)
      .filter(([path]) => path !== '')
      .map(([path, { version }]) => `${path.split('node_modules/').at(-1) ?? ''} ${version}`);
    const found = detectIn(npm, { '/app/package-lock.json': text });
    t.strictSame(found, { packages: wanted.toSorted(), gaps: [] });
    t.end();
  },
);

void t.test('manifests: what is installed, and what is not', (t) => {
  const cases: readonly (readonly [string, string, readonly string[]])[] = [
    ['/app/node_modules/a/package.json', manifest('a', '1.0.0'), ['a 1.0.0']],
    ['/app/node_modules/@s/a/package.json', manifest('@s/a', '1.0.0'), ['@s/a 1.0.0']],
    ['/app/node_modules/a/node_modules/b/package.json', manifest('b', '2.0.0'), ['b 2.0.0']],
    ['/app/node_modules/.pnpm/a@1.0.0/node_modules/a/package.json', manifest('a', '1.0.0'), ['a 1.0.0']],
    ['/usr/lib/node_modules/npm/package.json', manifest('npm', '10.9.0', { private: false }), ['npm 10.9.0']],
    ['/app/node_modules/alias/package.json', manifest('real', '1.0.0'), ['real 1.0.0']],
    ['/app/node_modules/a/package.json', `\uFEFF${manifest('a', 'v1.0.0')}`, ['a 1.0.0']],
    ['/app/node_modules/a/test/fixtures/b/package.json', manifest('b', '1.0.0'), []],
    ['/app/node_modules/a/dist/package.json', '{"type":"module"}', []],
    ['/app/node_modules/.cache/package.json', manifest('cache', '1.0.0'), []],
    ['/app/package.json', manifest('web', '1.0.0'), []],
    ['/app/package.json', manifest('web', '1.0.0', { private: true, repository: 'a/b' }), []],
    ['/opt/yarn-v1.22.22/package.json', manifest('yarn', '1.22.22', { repository: 'yarnpkg/yarn' }), ['yarn 1.22.22']],
  ];
  for (const [path, text, wanted] of cases)
    t.strictSame(detectIn(npm, { [path]: text }), { packages: wanted, gaps: [] }, path);
  t.end();
});

void t.test('an installed manifest that cannot be used is a gap that does not quote it', (t) => {
  const path = '/app/node_modules/a/package.json';
  const unusable = [
    '',
    '{',
    '[]',
    'null',
    '{"name":"a"}',
    '{"version":"1.0.0"}',
    manifest('a\nb', '1.0.0'),
    manifest('a', '1.0.0\u001B[31m'),
  ];
  for (const text of [...unusable, manifest('a'.repeat(600), '1'), '{"__proto__":{"name":"a","version":"1.0.0"}}']) {
    const { packages, gaps } = detectIn(npm, { [path]: text });
    t.strictSame(packages, []);
    t.equal(gaps.length, 1);
    t.match(gaps[0], /not valid JSON|no valid name or version/);
  }
  const large = detectIn(npm, { [path]: manifest('a', '1.0.0', { readme: 'x'.repeat(5 * 1024 * 1024) }) });
  t.match(large.gaps, [/larger than/]);
  t.end();
});

void t.test('a lock file counts where nothing is installed beside it, and not inside a package', (t) => {
  const lock = JSON.stringify({ lockfileVersion: 3, packages: { 'node_modules/a': { version: '1.0.0' } } });
  const installed = { '/app/node_modules/b/package.json': manifest('b', '1.0.0') };
  t.strictSame(detectIn(npm, { '/app/package-lock.json': lock }).packages, ['a 1.0.0']);
  t.strictSame(detectIn(npm, { '/app/npm-shrinkwrap.json': lock }).packages, ['a 1.0.0']);
  t.strictSame(detectIn(npm, { '/app/package-lock.json': lock, ...installed }).packages, ['b 1.0.0']);
  t.strictSame(detectIn(npm, { '/app/node_modules/x/yarn.lock': lock }).packages, []);
  // A directory that only holds a cache hides nothing.
  t.strictSame(detectIn(npm, { '/app/package-lock.json': lock, '/app/node_modules/.cache/x': '' }).packages, [
    'a 1.0.0',
  ]);
  t.end();
});

void t.test('lock files of all tools and versions', (t) => {
  const cases: readonly (readonly [string, string, string, readonly string[]])[] = [
    [
      'npm 3',
      'package-lock.json',
      JSON.stringify({
        lockfileVersion: 3,
        packages: {
          '': { name: 'root', version: '9.9.9' },
          'node_modules/a': { version: '1.0.0' },
          'node_modules/a/node_modules/@s/b': { version: '2.0.0', devOptional: true },
          'node_modules/alias': { name: 'real', version: '3.0.0' },
          'node_modules/dev': { version: '1.0.0', dev: true },
          'node_modules/linked': { resolved: 'packages/linked', link: true },
          'packages/linked': { version: '5.0.0' },
        },
      }),
      ['@s/b 2.0.0', 'a 1.0.0', 'real 3.0.0'],
    ],
    [
      'npm 1',
      'package-lock.json',
      JSON.stringify({
        lockfileVersion: 1,
        dependencies: {
          a: { version: '1.0.0', dependencies: { b: { version: '2.0.0' }, dev: { version: '1.0.0', dev: true } } },
          alias: { version: 'npm:@s/real@3.0.0' },
          local: { version: 'file:../local' },
        },
      }),
      ['@s/real 3.0.0', 'a 1.0.0', 'b 2.0.0'],
    ],
    [
      'Yarn 1 with quoted keys',
      'yarn.lock',
      `"jquery@^3.6.0":\n  "integrity" "sha512-x"\n  "resolved" "https://example.com/jquery.tgz"\n  "version" "3.6.0"\n`,
      ['jquery 3.6.0'],
    ],
    [
      'pnpm 5: another registry, git, archives, a directory',
      'pnpm-lock.yaml',
      `lockfileVersion: 5.4\n\npackages:\n\n  registry.example.com/@s/a/1.0.0_react@17.0.0:\n    resolution: {integrity: x}\n\n  github.com/o/is-negative/163360a8d3ae6bee9524541043197ff356f8ed99:\n    resolution: {tarball: https://codeload.github.com/o/is-negative/tar.gz/163360a}\n    name: is-negative\n    version: 1.0.1\n\n  '@github.com/o/dev/tarball/4.3.4':\n    name: dev\n    version: 4.3.4\n    dev: true\n\n  file:lib:\n    resolution: {directory: lib, type: directory}\n    name: lib\n    version: 1.0.0\n`,
      ['@s/a 1.0.0', 'is-negative 1.0.1'],
    ],
    [
      'pnpm 6: archives',
      'pnpm-lock.yaml',
      `lockfileVersion: '6.0'\n\npackages:\n\n  '@codeload.github.com/o/is-negative/tar.gz/2fa0531a':\n    resolution: {tarball: https://codeload.github.com/o/is-negative/tar.gz/2fa0531a}\n    name: is-negative\n    version: 2.0.1\n    dev: false\n\n  '@github.com/o/debug/tarball/4.3.4':\n    resolution: {tarball: https://github.com/o/debug/tarball/4.3.4}\n    name: debug\n    version: 4.3.4\n    peerDependencies:\n      version: '*'\n\n  file:l/lodash.tgz:\n    resolution: {integrity: x, tarball: file:l/lodash.tgz}\n    name: lodash\n    version: 4.17.21\n\n  file:p:\n    resolution: {directory: p, type: directory}\n    name: p\n    version: 1.0.0\n`,
      ['debug 4.3.4', 'is-negative 2.0.1', 'lodash 4.17.21'],
    ],
    [
      'pnpm 9: archives and git',
      'pnpm-lock.yaml',
      `lockfileVersion: '9.0'\n\npackages:\n\n  debug@https://github.com/o/debug/tarball/4.3.5:\n    resolution: {tarball: https://github.com/o/debug/tarball/4.3.5}\n    version: 4.3.5\n\n  '@s/g@git+https://git@example.com:o/g.git#0123abc':\n    resolution: {commit: 0123abc, repo: git@example.com:o/g.git, type: git}\n    version: 2.0.0\n\n  lodash@file:l/lodash.tgz:\n    resolution: {integrity: x, tarball: file:l/lodash.tgz}\n    version: 4.17.21\n\n  p@file:p:\n    resolution: {directory: p, type: directory}\n\n  q@file:q:\n    resolution:\n      directory: q\n      type: directory\n    version: 1.0.0\n`,
      ['@s/g 2.0.0', 'debug 4.3.5', 'lodash 4.17.21'],
    ],
    ['npm without packages', 'package-lock.json', '{"lockfileVersion":1}', []],
    [
      'Yarn 1',
      'yarn.lock',
      `# yarn lockfile v1\n\n\n"@s/a@^1.0.0", "@s/a@^1.1.0":\n  version "1.2.0"\n  resolved "https://example.com/a.tgz"\n  dependencies:\n    version "^9.0.0"\n\nb@2:\n  version "2.0.0"\n\nalias@npm:@s/c@^3:\n  version "3.0.0"\n`,
      ['@s/a 1.2.0', '@s/c 3.0.0', 'b 2.0.0'],
    ],
    [
      'Yarn 4',
      'yarn.lock',
      `__metadata:\n  version: 8\n\n"@s/a@npm:^1.0.0, @s/a@npm:^1.1.0":\n  version: 1.2.0\n  resolution: "@s/a@npm:1.2.0"\n  languageName: node\n\n"alias@npm:c@^3":\n  version: 3.0.0\n  resolution: "c@npm:3.0.0"\n\n"p@patch:p@npm%3A1.0.0#x":\n  version: 1.0.0\n  resolution: "p@patch:p@npm%3A1.0.0#x::version=1"\n\n"root@workspace:.":\n  version: 0.0.0-use.local\n  resolution: "root@workspace:."\n`,
      ['@s/a 1.2.0', 'c 3.0.0', 'p 1.0.0'],
    ],
    [
      'pnpm 5',
      'pnpm-lock.yaml',
      `lockfileVersion: 5.4\n\npackages:\n\n  /@s/a/1.0.0_react@17.0.0:\n    resolution: {integrity: x}\n    dev: false\n\n  /b/2.0.0:\n    resolution: {integrity: x}\n    dev: true\n\n  /c/3.0.0:\n    resolution: {integrity: x}\n`,
      ['@s/a 1.0.0', 'c 3.0.0'],
    ],
    [
      'pnpm 6',
      'pnpm-lock.yaml',
      `lockfileVersion: '6.0'\n\npackages:\n\n  /@s/a@1.0.0(react@17.0.0):\n    resolution: {integrity: x}\n\n  /b@2.0.0:\n    dev: true\n\n  file:packages/d:\n    name: d\n`,
      ['@s/a 1.0.0'],
    ],
    [
      'pnpm 9',
      'pnpm-lock.yaml',
      `lockfileVersion: '9.0'\n\nimporters:\n\n  .:\n    dependencies:\n      x:\n        version: 1.0.0\n\npackages:\n\n  '@s/a@1.0.0':\n    resolution: {integrity: x}\n    engines: {node: '>=12'}\n\n  b@2.0.0:\n    resolution: {integrity: x}\n\nsnapshots:\n\n  z@1.0.0: {}\n`,
      ['@s/a 1.0.0', 'b 2.0.0'],
    ],
  ];
  for (const [name, file, text, wanted] of cases) {
    t.strictSame(detectIn(npm, { [`/app/${file}`]: text }), { packages: wanted, gaps: [] }, name);
    const windows = text.replaceAll('\n', '\r\n');
    t.strictSame(detectIn(npm, { [`/app/${file}`]: windows }), { packages: wanted, gaps: [] }, `${name}, CRLF`);
  }
  t.end();
});

void t.test('an entry that names no package of the registry is a gap, never another package', (t) => {
  const pnpm = (version: string, key: string): [string, string] => [
    'pnpm-lock.yaml',
    `lockfileVersion: '${version}'\n\npackages:\n\n  ${key}:\n    resolution: {tarball: x}\n`,
  ];
  const npmOne = (version: string): [string, string] => [
    'package-lock.json',
    JSON.stringify({ lockfileVersion: 1, dependencies: { a: { version } } }),
  ];
  const npmThree = (path: string): [string, string] => [
    'package-lock.json',
    JSON.stringify({ lockfileVersion: 3, packages: { [path]: { version: '1.0.0' } } }),
  ];
  const cases = [
    pnpm('5.4', 'github.com/o/is-negative/163360a8d3ae6bee9524541043197ff356f8ed99'),
    pnpm('6.0', "'@codeload.github.com/o/is-negative/tar.gz/2fa0531a'"),
    pnpm('6.0', "'@github.com/o/debug/tarball/4.3.4'"),
    pnpm('9.0', 'debug@https://github.com/o/debug/tarball/4.3.5'),
    pnpm('9.0', 'no-version'),
    npmOne('git+ssh://git@example.com/x.git#abc'),
    npmOne('github:o/r#abc'),
    npmOne('https://example.com/a.tgz'),
    npmThree('node_modules/a/b'),
    npmThree('node_modules/@s'),
    npmThree('node_modules/..'),
  ];
  for (const [file, text] of cases) {
    const { packages, gaps } = detectIn(npm, { [`/app/${file}`]: text });
    t.strictSame(packages, [], text);
    t.match(gaps, [/1 entry has no valid name or version/], text);
  }
  t.end();
});

void t.test('hostile lock files end as gaps, in bounded time', (t) => {
  const open = '{"a":{"version":"1.0.0","dependencies":';
  const nested = `{"lockfileVersion":1,"dependencies":${open.repeat(3000)}{}${'}}'.repeat(3000)}}`;
  const many: Record<string, object> = {};
  for (let index = 0; index < 60_000; index += 1) many[`node_modules/p${String(index)}`] = { version: '1.0.0' };
  const cases: readonly (readonly [string, string, RegExp])[] = [
    ['package-lock.json', nested, /levels deep/],
    ['package-lock.json', JSON.stringify({ lockfileVersion: 3, packages: many }), /more than 50000 packages/],
    [
      'package-lock.json',
      '{"lockfileVersion":3,"packages":{"node_modules/__proto__":{"version":1}}}',
      /1 entry has no valid/,
    ],
    ['package-lock.json', '{"a":'.repeat(100_000), /not valid JSON/],
    ['package-lock.json', '{}', /neither packages nor dependencies/],
    ['yarn.lock', 'hello', /no valid name or version|not a yarn.lock/],
    ['pnpm-lock.yaml', `lockfileVersion: 9\npackages:\n  ${': {'.repeat(1_000_000)}`, /a line longer than/],
    ['yarn.lock', `# yarn lockfile v1\n\na@${'1, a@'.repeat(20_000)}2:\n  version "1.0.0"\n`, /a line longer than/],
    ['pnpm-lock.yaml', 'a: b', /not a pnpm-lock/],
  ];
  for (const [file, text, wanted] of cases) {
    const start = cpuMs();
    const { gaps } = detectIn(npm, { [`/app/${file}`]: text });
    t.match(gaps.map((each) => each.replace(/^.*: /, ''))[0] ?? '', wanted, `${file} ${text.slice(0, 30)}`);
    t.ok(cpuMs() - start < 5000, 'bounded time');
  }
  t.end();
});
