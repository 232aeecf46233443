import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import t from 'tap';
import { ruby } from '../../../../image/inventory/language/ruby.ts';
import { realFiles } from '../../../fixture/memory-tree.ts';
import { detectIn } from './detect.ts';

/** Prints name, version and file of each specification that RubyGems loads. */
const LIST = `Gem::Specification.each { |s| puts [s.name, s.version, s.loaded_from].join(" ") }`;
const listed = spawnSync('ruby', ['-e', LIST], { encoding: 'utf8' });
const specifications = (listed.status === 0 ? listed.stdout : '')
  .split('\n')
  .filter((line) => line !== '')
  .map((line) => line.split(' '));

void t.test(
  'finds the gems that RubyGems itself lists',
  { skip: specifications.length === 0 ? 'no Ruby' : false },
  (t) => {
    const wanted = new Set(specifications.map(([name, version]) => `${String(name)} ${String(version)}`));
    const directories = new Set(specifications.map(([, , path]) => dirname(path ?? '').replace(/\/default$/, '')));
    const found: string[] = [];
    for (const directory of directories) {
      if (!existsSync(directory)) continue;
      const parent = dirname(directory);
      const result = detectIn(ruby, realFiles(parent, ruby.matches));
      t.strictSame(result.gaps, []);
      found.push(...result.packages);
    }
    t.ok(wanted.size > 50, `${String(wanted.size)} gems`);
    t.strictSame(
      [...wanted].filter((each) => !found.includes(each)),
      [],
    );
    t.end();
  },
);

const PATH = '/usr/lib/ruby/gems/3.3.0/specifications/rake-13.2.1.gemspec';
const specification = (name: string, version: string): string =>
  `# -*- encoding: utf-8 -*-\n# stub: rake 13.2.1 ruby lib\n\nGem::Specification.new do |s|\n  s.name = ${name}\n  s.version = ${version}\nend\n`;

void t.test('specifications as RubyGems writes them', (t) => {
  const cases: readonly (readonly [string, string])[] = [
    [PATH, specification('"rake".freeze', '"13.2.1"')],
    [PATH, specification("'rake'", "'13.2.1'")],
    [PATH, specification('"rake"', 'Gem::Version.new("13.2.1")')],
    [PATH.replace('specifications', 'specifications/default'), specification('"rake"', '"13.2.1"')],
    [PATH.replace('13.2.1', '13.2.1-x86_64-linux'), specification('"rake"', '"13.2.1"')],
    ['/app/vendor/bundle/ruby/3.3.0/specifications/rake-13.2.1.gemspec', specification('"rake"', '"13.2.1"')],
  ];
  for (const [path, text] of cases)
    t.strictSame(detectIn(ruby, { [path]: text }), { packages: ['rake 13.2.1'], gaps: [] }, path);
  t.strictSame(detectIn(ruby, { '/gems/rake-13.2.1/rake.gemspec': specification('"rake"', '"1"') }), {
    packages: [],
    gaps: [],
  });
  t.end();
});

void t.test('expressions, decoys and other text are gaps, and nothing is evaluated', (t) => {
  const decoy = `=begin\n  s.name = "rake"\n  s.version = "99.0.0"\n=end\n${specification('"rake"', '"13.2.1"')}`;
  const cases: readonly (readonly [string, RegExp])[] = [
    ['', /no literal/],
    [specification('"rake"', 'Rake::VERSION'), /no literal/],
    [specification('"ra#{1}ke"', '"13.2.1"'), /no literal/],
    [specification('"rake"', '`id`'), /no literal/],
    [decoy, /another name or version/],
    [specification('"rake"', '"13.2"'), /another name or version/],
    ['s'.repeat(5 * 1024 * 1024), /larger than/],
    [' '.repeat(4 * 1024 * 1024 - 1), /no literal/],
  ];
  for (const [text, wanted] of cases) {
    const found = detectIn(ruby, { [PATH]: text });
    t.strictSame(found.packages, []);
    t.match(found.gaps, [wanted]);
  }
  t.end();
});
