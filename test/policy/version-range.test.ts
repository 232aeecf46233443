import semver from 'semver';
import t from 'tap';
import { isInRange, parseVersionRange } from '../../policy/version-range.ts';
import type { Package } from '../../vulnerability/package.ts';

const versions = ['0.9.0', '1.0.0-rc.1', '1.0.0', '1.0.1', '1.4.0', '2.0.0', '2.0.1'];
const ranges = [
  '<1.0.0',
  '<=1.0.0',
  '>1.0.0',
  '>=1.0.0, <1.4.0',
  '=2.0.0',
  '>=1.4.0 || <1.0.0',
  '>1.0.0,<2.0.0||>=2.0.1',
];

void t.test('agrees with semver', (t) => {
  for (const text of ranges)
    for (const version of versions) {
      const range = parseVersionRange(text);
      if (range === undefined) throw new Error(text);
      const one: Package = { type: 'npm', name: 'x', version, path: '/x' };
      const expected = semver.satisfies(version, text.replaceAll(',', ' '), { includePrerelease: true });
      t.equal(isInRange(one, range), expected, `${version} in ${text}`);
    }
  t.end();
});

void t.test('what is no range', (t) => {
  for (const text of ['', '1.0', '<', '~1.0', '<1.0,', '|| <1.0', '<1.0 <2.0', `<${'1'.repeat(600)}`])
    t.equal(parseVersionRange(text), undefined, text);
  t.end();
});

void t.test('an alternative that is known not to hold does not hide one that cannot be told', (t) => {
  const range = parseVersionRange('<1.0.0 || >=zzz') ?? [];
  t.equal(isInRange({ type: 'npm', name: 'x', version: '2.0.0', path: '' }, range), undefined);
  t.equal(isInRange({ type: 'npm', name: 'x', version: '0.1.0', path: '' }, range), true);
  t.end();
});
