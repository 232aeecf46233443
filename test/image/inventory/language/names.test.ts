import t from 'tap';
import { dotnet } from '../../../../image/inventory/language/dotnet.ts';
import { npm } from '../../../../image/inventory/language/npm.ts';
import { php } from '../../../../image/inventory/language/php.ts';
import { python } from '../../../../image/inventory/language/python.ts';
import type { Detector } from '../../../../image/inventory/detector.ts';
import { detectIn } from './detect.ts';

const library = (key: string): string => JSON.stringify({ libraries: { [key]: { type: 'package' } } });
const composer = (name: string): string => JSON.stringify([{ name, version: '1.0' }]);
const metadata = (name: string): string => `Name: ${name}\nVersion: 1.0\n`;
const manifest = (name: string): string => JSON.stringify({ name, version: '1.0.0' });

/** Names that an ecosystem allows are packages, others are gaps. */
const CASES: readonly (readonly [Detector, path: string, text: string, packages: readonly string[]])[] = [
  [dotnet, '/app/a.deps.json', library('Newtonsoft.Json/13.0.1'), ['Newtonsoft.Json 13.0.1']],
  [dotnet, '/app/a.deps.json', library('NoVersion'), []],
  [dotnet, '/app/a.deps.json', library('a/b/1.0'), []],
  [php, '/app/vendor/composer/installed.json', composer('Vendor/name'), ['vendor/name 1.0']],
  [php, '/app/vendor/composer/installed.json', composer('name'), []],
  [php, '/app/vendor/composer/installed.json', composer('a/b/c'), []],
  [python, '/s/x-1.0.dist-info/METADATA', metadata('zope.interface'), ['zope-interface 1.0']],
  [python, '/s/x-1.0.dist-info/METADATA', metadata('a/b'), []],
  [python, '/s/x-1.0.dist-info/METADATA', metadata('--'), []],
  [npm, '/app/node_modules/x/package.json', manifest('@s/x.y_z-1'), ['@s/x.y_z-1 1.0.0']],
  [npm, '/app/node_modules/x/package.json', manifest('JSONStream'), ['JSONStream 1.0.0']],
  [npm, '/app/node_modules/x/package.json', manifest('a/b'), []],
  [npm, '/app/node_modules/x/package.json', manifest('../x'), []],
  [npm, '/app/node_modules/x/package.json', manifest('@s'), []],
];

void t.test('a name that its ecosystem does not allow is a gap, never a package', (t) => {
  for (const [detector, path, text, wanted] of CASES) {
    const { packages, gaps } = detectIn(detector, { [path]: text });
    t.strictSame(packages, wanted, text);
    t.equal(gaps.length, wanted.length === 0 ? 1 : 0, text);
  }
  t.end();
});
