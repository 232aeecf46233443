import { spawnSync } from 'node:child_process';
import { zipSync } from 'fflate';
import t from 'tap';
import { python } from '../../../../image/inventory/language/python.ts';
import { realFiles } from '../../../fixture/memory-tree.ts';
import { detectIn } from './detect.ts';

/** Prints the first directory of packages and what Python's own `importlib.metadata` finds in it. */
const LIST = `
import importlib.metadata as m, json, os, site, sys
paths = [p for p in site.getsitepackages() + ['/usr/lib/python3/dist-packages'] if os.path.isdir(p)]
found = {p: [[d.metadata['Name'], d.version] for d in m.distributions(path=[p])] for p in paths}
print(json.dumps(max(found.items(), key=lambda each: len(each[1]), default=['', []])))
`;

const listed = spawnSync('python3', ['-c', LIST], { encoding: 'utf8' });
const [directory, distributions] = (listed.status === 0 ? JSON.parse(listed.stdout) : ['', []]) as [
  string,
  readonly (readonly [string, string])[],
];

void t.test(
  'finds the distributions that Python itself finds',
  { skip: distributions.length === 0 ? 'no Python packages' : false },
  (t) => {
    const wanted = distributions.map(
      ([name, version]) => `${name.replaceAll(/[-_.]+/g, '-').toLowerCase()} ${version}`,
    );
    // Packages that others carry inside of them are no distributions of this directory.
    const found = detectIn(
      python,
      realFiles(directory, (file) => python.matches(file) && file.path.split('/').length <= 3),
    );
    t.strictSame(new Set(found.packages), new Set(wanted), `${String(wanted.length)} of ${directory}`);
    t.strictSame(found.gaps, []);
    t.end();
  },
);

const header = (name: string, version: string): string => `Metadata-Version: 2.1\nName: ${name}\nVersion: ${version}\n`;

void t.test('metadata in all places', (t) => {
  const cases: readonly (readonly [string, string, readonly string[]])[] = [
    ['/v/site-packages/Foo_Bar-1.0.dist-info/METADATA', header('Foo.Bar', '1.0'), ['foo-bar 1.0']],
    ['/v/site-packages/foo-1.0-py3.11.egg-info/PKG-INFO', header('foo', '1.0'), ['foo 1.0']],
    ['/usr/lib/python3/dist-packages/foo-1.0.egg-info', header('foo', '1.0'), ['foo 1.0']],
    ['/v/foo-1.0-py3.9.egg/EGG-INFO/PKG-INFO', header('foo', '1.0'), ['foo 1.0']],
    ['/v/foo-1.0.dist-info/METADATA', header('foo', '1.0').replaceAll('\n', '\r\n'), ['foo 1.0']],
    [
      '/v/foo-1.0.dist-info/METADATA',
      `\uFEFF${header('foo', '1!2.0+local')}`.replace('Metadata-Version', 'X'),
      ['foo 1!2.0+local'],
    ],
    ['/v/setuptools/_vendor/wheel-0.45.1.dist-info/METADATA', header('wheel', '0.45.1'), ['wheel 0.45.1']],
    // The description is no header, and the first field counts.
    ['/v/foo-1.0.dist-info/METADATA', `${header('foo', '1.0')}\nName: bar\nVersion: 9\n`, ['foo 1.0']],
    ['/v/foo-1.0.dist-info/METADATA', `${header('foo', '1.0')}Version: 9\n`, ['foo 1.0']],
    // pip takes the name of the directory where the metadata is empty.
    ['/v/foo-1.0.dist-info/METADATA', '', ['foo 1.0']],
    ['/v/foo-1.0.dist-info/RECORD', header('foo', '1.0'), []],
  ];
  for (const [path, text, wanted] of cases)
    t.strictSame(detectIn(python, { [path]: text }), { packages: wanted, gaps: [] }, path);
  t.end();
});

void t.test('eggs that are archives', (t) => {
  const path = '/v/site-packages/foo-1.0-py3.9.egg';
  const info = new TextEncoder().encode(header('Foo_Bar', '1.0'));
  t.strictSame(detectIn(python, { [path]: zipSync({ 'EGG-INFO/PKG-INFO': info }) }), {
    packages: ['foo-bar 1.0'],
    gaps: [],
  });
  const bomb = zipSync({ 'EGG-INFO/PKG-INFO': [new Uint8Array(64 * 1024 * 1024), { level: 1 }] });
  const hostile = [
    new Uint8Array(100),
    zipSync({ 'foo.py': info }),
    zipSync({ 'EGG-INFO/PKG-INFO': new Uint8Array(9) }),
    bomb,
  ];
  t.strictSame(
    hostile.map((egg) => detectIn(python, { '/v/foo.egg': egg }).packages.length),
    [0, 0, 0, 0],
  );
  t.strictSame(
    hostile.map((egg) => detectIn(python, { '/v/foo.egg': egg }).gaps.length),
    [1, 1, 1, 1],
  );
  t.end();
});

void t.test('metadata that cannot be used is a gap', (t) => {
  const cases: readonly (readonly [string, string, RegExp])[] = [
    ['/v/foo.egg-info/PKG-INFO', '', /no name or no version$/],
    ['/v/EGG-INFO/PKG-INFO', 'Name: foo\n', /no name or no version$/],
    ['/v/foo.dist-info/METADATA', `X: ${'y'.repeat(300_000)}\n${header('foo', '1.0')}`, /in its first 262144 bytes/],
    ['/v/foo-1.0.dist-info/METADATA', header('fo\u0000o', '1.0'), /no valid name or version/],
    ['/v/foo-1.0.dist-info/METADATA', header('foo', '1 0'), /no valid name or version/],
    ['/v/foo-1.0.dist-info/METADATA', header('foo', 'x'.repeat(1000)), /no valid name or version/],
  ];
  for (const [path, text, wanted] of cases) {
    const found = detectIn(python, { [path]: text });
    t.strictSame(found.packages, []);
    t.match(found.gaps, [wanted], text.slice(0, 40));
  }
  t.end();
});
