import fc from 'fast-check';
import { zipSync } from 'fflate';
import t from 'tap';
import type { Detector } from '../../../../image/inventory/detector.ts';
import { dotnet } from '../../../../image/inventory/language/dotnet.ts';
import { executable } from '../../../../image/inventory/language/executable.ts';
import { java } from '../../../../image/inventory/language/java.ts';
import { npm } from '../../../../image/inventory/language/npm.ts';
import { php } from '../../../../image/inventory/language/php.ts';
import { python } from '../../../../image/inventory/language/python.ts';
import { ruby } from '../../../../image/inventory/language/ruby.ts';
import { detectIn } from './detect.ts';
import { elfFile, goInlineInfo, goPointerSections, rustSection } from './elf-file.ts';

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
const layout = { bits: 64, order: 'little' } as const;

/** A detector, a path that it reads, and valid content to damage. */
const CASES: readonly (readonly [Detector, string, Uint8Array])[] = [
  [npm, '/a/node_modules/b/package.json', utf8('{"name":"b","version":"1.0.0"}')],
  [npm, '/a/package-lock.json', utf8('{"lockfileVersion":3,"packages":{"node_modules/b":{"version":"1.0.0"}}}')],
  [npm, '/a/yarn.lock', utf8('# yarn lockfile v1\n\n"@s/a@^1", b@2:\n  version "1.0.0"\n  resolution: "x@npm:1"\n')],
  [npm, '/a/pnpm-lock.yaml', utf8("lockfileVersion: '9.0'\n\npackages:\n\n  '@s/a@1.0.0(x@1)':\n    dev: true\n")],
  [python, '/a/b-1.dist-info/METADATA', utf8('Metadata-Version: 2.1\nName: b\nVersion: 1\n\nText\n')],
  [python, '/a/b-1.egg', zipSync({ 'EGG-INFO/PKG-INFO': utf8('Name: b\nVersion: 1\n') })],
  [ruby, '/a/specifications/b-1.gemspec', utf8('  s.name = "b".freeze\n  s.version = "1"\n')],
  [php, '/a/vendor/composer/installed.json', utf8('{"packages":[{"name":"a/b","version":"v1"}]}')],
  [dotnet, '/a/b.deps.json', utf8('{"libraries":{"B/1.0":{"type":"package"}}}')],
  [
    java,
    '/a/b-1.jar',
    zipSync({
      'META-INF/maven/g/b/pom.properties': utf8('groupId=g\nartifactId=b\nversion=1\n'),
      'c.jar': zipSync({}),
    }),
  ],
  [executable, '/a/inline', elfFile({ sections: { '.go.buildinfo': goInlineInfo('go1.2.3', 'dep\ta\tv1\n') } })],
  [executable, '/a/pointers', elfFile({ ...layout, ...goPointerSections('go1.2.3', 'dep\ta\tv1\n', layout) })],
  [
    executable,
    '/a/rust',
    elfFile({ sections: { '.dep-v0': rustSection({ packages: [{ name: 'a', version: '1' }] }) } }),
  ],
];

for (const [detector, path, valid] of CASES) {
  void t.test(`${detector.name}: no content of ${path} makes it throw or hang`, (t) => {
    t.equal(
      detectIn(detector, { [path]: valid }).gaps.filter((gap) => !gap.includes('ZIP')).length,
      0,
      'the sample is valid',
    );
    const arbitrary = fc.uint8Array({ maxLength: 4096 });
    const damaged = fc
      .array(fc.tuple(fc.nat(valid.length - 1), fc.nat(255)), { minLength: 1, maxLength: 8 })
      .map((changes) => {
        const bytes = Uint8Array.from(valid);
        for (const [index, value] of changes) bytes[index] = value;
        return bytes;
      });
    const cut = fc.nat(valid.length).map((length) => valid.slice(0, length));
    const property = fc.property(fc.oneof(arbitrary, damaged, cut), (bytes) => {
      const start = performance.now();
      const found = detectIn(detector, { [path]: bytes });
      if (performance.now() - start > 2000) throw new Error('slow');
      for (const each of found.packages) if (/[\p{C}]/u.test(each)) throw new Error('control character in a name');
    });
    fc.assert(property, { numRuns: 300 });
    t.pass('300 contents');
    t.end();
  });
}
