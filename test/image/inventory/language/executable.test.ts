import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { deflateSync } from 'node:zlib';
import t from 'tap';
import { executable } from '../../../../image/inventory/language/executable.ts';
import { goRelease, parseGoModules } from '../../../../image/inventory/language/go-build-info.ts';
import { detectIn } from './detect.ts';
import { elfFile, goInlineInfo, goModulesBlob, goPointerSections, rustSection } from './elf-file.ts';

const root = new URL('../../../../', import.meta.url).pathname;
/** Two Go programs of the npm packages that this repository installs; the second has no build information. */
const TSGOLINT = `${root}node_modules/@oxlint-tsgolint/linux-x64/tsgolint`;
const ESBUILD = `${root}node_modules/@esbuild/linux-x64/bin/esbuild`;

/** Lines `dep` and `mod` that stand as text in a program, and the version of Go, found without knowing its format. */
function textOf(path: string): { readonly modules: readonly string[]; readonly go: ReadonlySet<string> } {
  const text = readFileSync(path, 'latin1');
  const lines = [...text.matchAll(/(?:^|\n)(?:dep|mod)\t([^\t\n]+)\tv([^\t\n]+)\t/g)];
  return {
    modules: lines.map(([, name, version]) => `${String(name)} ${String(version)}`),
    go: new Set([...text.matchAll(/go(1\.\d+\.\d+)/g)].map(([, version]) => String(version))),
  };
}

void t.test('a real Go program: its modules and the standard library', (t) => {
  const found = detectIn(executable, { '/usr/bin/tsgolint': readFileSync(TSGOLINT) });
  const wanted = textOf(TSGOLINT);
  t.ok(wanted.modules.length > 5);
  const modules = found.packages.filter((each) => !each.startsWith('stdlib '));
  t.strictSame(new Set(modules), new Set(wanted.modules));
  const standard = found.packages
    .filter((each) => each.startsWith('stdlib '))
    .map((each) => each.slice('stdlib '.length));
  t.equal(standard.length, 1);
  t.ok(wanted.go.has(standard[0] ?? ''), `go${String(standard[0])}`);
  t.strictSame(found.gaps, []);
  t.end();
});

void t.test('the modules agree with go version -m where Go is installed', (t) => {
  const go = spawnSync('go', ['version', '-m', TSGOLINT], { encoding: 'utf8' });
  if (go.status !== 0) t.comment('no go command: compared with the text of the program only');
  else {
    const found = detectIn(executable, { '/usr/bin/tsgolint': readFileSync(TSGOLINT) });
    t.strictSame(new Set(found.packages.filter((each) => !each.startsWith('stdlib '))), modulesOf(go.stdout));
  }
  t.end();
});

/** The modules that `go version -m` prints: the main one, and each dependency or, below it, its replacement. */
function modulesOf(printed: string): ReadonlySet<string> {
  const rows = printed.split('\n').map((line) => line.trim().split('\t'));
  const modules = rows.filter(([kind], index) => {
    if (kind === '=>') return true;
    return (kind === 'mod' || kind === 'dep') && rows[index + 1]?.[0] !== '=>';
  });
  const released = modules.filter(([, , version = '']) => version.startsWith('v'));
  return new Set(released.map(([, name = '', version = '']) => `${name} ${version.slice(1)}`));
}

void t.test('a Go program whose build information was removed is a gap; its modules are found by their marks', (t) => {
  const found = detectIn(executable, { '/usr/bin/esbuild': readFileSync(ESBUILD) });
  t.strictSame(found.packages, textOf(ESBUILD).modules);
  t.strictSame(found.gaps, ['/usr/bin/esbuild: is a Go program without readable build information']);
  t.end();
});

const MODULES = [
  'path\texample.com/app',
  'mod\texample.com/app\tv1.4.0\th1:x',
  'dep\tgolang.org/x/net\tv0.1.0\th1:y',
  'dep\texample.com/old\tv1.0.0',
  '=>\texample.com/new\tv2.0.0+incompatible\th1:z',
  'dep\texample.com/own\tv0.0.0',
  '=>\t./own\t(devel)',
  'build\tCGO_ENABLED=0',
  '',
].join('\n');
const WANTED = [
  'example.com/app 1.4.0',
  'example.com/new 2.0.0+incompatible',
  'golang.org/x/net 0.1.0',
  'stdlib 1.19.4',
];

void t.test('both forms of the build information, in both word sizes and byte orders', (t) => {
  for (const bits of [32, 64] as const) {
    for (const order of ['little', 'big'] as const) {
      const inline = elfFile({ bits, order, sections: { '.go.buildinfo': goInlineInfo('go1.19.4', MODULES) } });
      t.strictSame(
        detectIn(executable, { '/app': inline }),
        { packages: WANTED, gaps: [] },
        `inline ${String(bits)} ${order}`,
      );
      const pointers = elfFile({ bits, order, ...goPointerSections('go1.19.4', MODULES, { bits, order }) });
      t.strictSame(
        detectIn(executable, { '/app': pointers }),
        { packages: WANTED, gaps: [] },
        `pointers ${String(bits)} ${order}`,
      );
    }
  }
  t.end();
});

void t.test('what a Go program may say', (t) => {
  const cases: readonly (readonly [string, string, string, readonly string[], RegExp | undefined])[] = [
    ['development version of Go', 'devel go1.23-abc', MODULES, WANTED.slice(0, 3), /no release/],
    [
      'built without modules',
      'go1.24.4',
      'path\tgithub.com/moby/moby\nbuild\tx=y\n',
      ['stdlib 1.24.4'],
      /without module information/,
    ],
    ['empty', 'go1.24.4', '', ['stdlib 1.24.4'], /without module information/],
    ['a command of Go', 'go1.24.4', 'path\tcmd/go\nbuild\tx=y\n', ['stdlib 1.24.4'], undefined],
    ['main module from a checkout', 'go1.24.4', 'path\ta\nmod\ta\t(devel)\t\n', ['stdlib 1.24.4'], undefined],
    [
      'local replacement of a published module',
      'go1.24.4',
      'mod\ta\t(devel)\ndep\tb\tv1.0.0\n=>\t./b\t\n',
      ['stdlib 1.24.4'],
      /1 Go modules replaced/,
    ],
    ['replacement of nothing', 'go1.24.4', '=>\tb\tv1.0.0\nmod\ta\tv1.0.0\n', ['a 1.0.0', 'stdlib 1.24.4'], undefined],
    [
      'a name with control characters',
      'go1.24.4',
      'mod\ta\t(devel)\ndep\tb\u001B[0m\tv1\t\n',
      ['stdlib 1.24.4'],
      /no valid name/,
    ],
  ];
  for (const [name, version, modules, packages, gap] of cases) {
    const found = detectIn(executable, {
      '/app': elfFile({ sections: { '.go.buildinfo': goInlineInfo(version, modules) } }),
    });
    t.strictSame(found.packages, packages, name);
    if (gap === undefined) t.strictSame(found.gaps, [], name);
    else t.match(found.gaps, [gap], name);
  }
  t.end();
});

void t.test('releases of Go', (t) => {
  const cases: readonly (readonly [string, string | undefined])[] = [
    ['go1.22.3', '1.22.3'],
    ['go1.22.3 X:boringcrypto', '1.22.3'],
    ['go1.19.4 (Red Hat 1.19.4-1.el9)', '1.19.4'],
    ['go1.22.3-custom', '1.22.3'],
    ['go1.20', '1.20.0'],
    ['go1.21rc2', '1.21.0-rc.2'],
    ['go1.21beta1', '1.21.0-beta.1'],
    ['devel go1.23-f32f5d5', undefined],
    ['go1.22.3.4', undefined],
    ['go1', undefined],
    ['', undefined],
  ];
  for (const [text, wanted] of cases) t.equal(goRelease(text), wanted, text);
  t.strictSame(parseGoModules('dep\ta\tv1\n=>\tb\tv2\n').dependencies, [{ path: 'b', version: 'v2' }]);
  t.end();
});

void t.test('a Go program cannot hide', (t) => {
  const blob = goInlineInfo('go1.19.4', MODULES);
  const cases: readonly (readonly [string, Parameters<typeof elfFile>[0], RegExp | undefined])[] = [
    [
      'section renamed: found in the writable segment',
      { sections: { '.gopclntab': Buffer.alloc(64), '.data': Buffer.concat([Buffer.alloc(48), blob]) } },
      undefined,
    ],
    [
      'no section headers: found in the writable segment',
      { sections: { '.data': blob }, sectionHeaders: false },
      undefined,
    ],
    [
      'magic destroyed',
      { sections: { '.go.buildinfo': Buffer.alloc(256), '.gopclntab': Buffer.alloc(64) } },
      /without readable build information/,
    ],
    [
      'length beyond the file',
      { sections: { '.go.buildinfo': Buffer.concat([blob.subarray(0, 32), Buffer.alloc(5, 0xff)]) } },
      /without readable build information/,
    ],
    [
      'pointers to nowhere',
      {
        sections: {
          '.go.buildinfo': Buffer.concat([blob.subarray(0, 14), Buffer.from([8, 0]), Buffer.alloc(64, 0xee)]),
        },
      },
      /without readable build information/,
    ],
    ['packed with UPX', { sections: { x: Buffer.alloc(2048) }, sectionHeaders: false, mark: 'UPX!' }, /packed/],
    ['without section headers', { sections: { x: Buffer.alloc(2048) }, sectionHeaders: false }, /no section headers/],
  ];
  for (const [name, options, gap] of cases) {
    const found = detectIn(executable, { '/app': elfFile(options) });
    if (gap === undefined) t.strictSame(found, { packages: WANTED, gaps: [] }, name);
    else {
      t.strictSame(found.packages, [], name);
      t.match(found.gaps, [gap], name);
    }
  }
  const withMarks = elfFile({ sections: { '.gopclntab': Buffer.alloc(64), '.rodata': goModulesBlob(MODULES) } });
  t.strictSame(detectIn(executable, { '/app': withMarks }).packages, WANTED.slice(0, 3), 'modules by their marks');
  t.end();
});

void t.test('programs of other languages and other files are nothing', (t) => {
  const files = ['/bin/sh', process.execPath];
  for (const path of files)
    t.strictSame(detectIn(executable, { [path]: readFileSync(path) }), { packages: [], gaps: [] }, path);
  t.strictSame(detectIn(executable, { '/x.sh': `#!/bin/sh\n${'#'.repeat(100_000)}` }), { packages: [], gaps: [] });
  t.equal(executable.matches({ path: '/x', sizeBytes: 1e6, mode: 0o644 }), false);
  t.end();
});

void t.test('crates that cargo auditable recorded', (t) => {
  const data = {
    packages: [
      { name: 'app', version: '0.1.0', source: 'local', root: true, dependencies: [1, 2] },
      { name: 'openssl', version: '0.10.55', source: 'crates.io' },
      { name: 'helper', version: '0.1.0', source: 'local' },
      { name: 'cc', version: '1.0.0', source: 'crates.io', kind: 'build' },
      { name: 'forked', version: '1.0.0', source: 'git', kind: 'runtime' },
    ],
  };
  const found = detectIn(executable, { '/app': elfFile({ sections: { '.dep-v0': rustSection(data) } }) });
  t.strictSame(found, { packages: ['app 0.1.0', 'forked 1.0.0', 'openssl 0.10.55'], gaps: [] });
  const bomb = deflateSync(Buffer.alloc(64 * 1024 * 1024));
  for (const section of [
    bomb,
    Buffer.from('no zlib'),
    rustSection([]),
    rustSection({ packages: {} }),
    Buffer.alloc(0),
  ]) {
    const hostile = detectIn(executable, {
      '/app': elfFile({ sections: { '.dep-v0': section, '.text': Buffer.alloc(1024) } }),
    });
    t.strictSame(hostile.packages, []);
    t.match(hostile.gaps, [/Rust dependencies/]);
  }
  t.end();
});
