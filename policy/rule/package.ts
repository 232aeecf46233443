import { list, nullable, oneOf, string } from '../../posture/schema.ts';
import type { Infer, Schema } from '../../posture/schema.ts';
import type { Package } from '../../vulnerability/package.ts';
import { globPattern, matchesGlob } from '../glob.ts';
import type { Objection } from '../reason.ts';
import { strictObject } from '../strict-object.ts';
import { invalidVersion, isInRange, PACKAGE_TYPES, parseVersionRange } from '../version-range.ts';
import type { VersionRange } from '../version-range.ts';
import { inventoryGaps } from './inventory-gaps.ts';
import { RULE_HEAD, unknown, violation } from './judging.ts';
import type { JudgeInput } from './judging.ts';

const versionRange: Schema<VersionRange> = {
  shape: {
    kind: 'string',
    doc: 'versions that are forbidden, such as `<2.17.1` or `>=1.0, <1.4 || =2.0`; default: all',
  },
  parse: (value, at = '') => {
    const range = typeof value === 'string' ? parseVersionRange(value) : undefined;
    return range === undefined
      ? { ok: false, problem: `${at}: expected a range such as "<2.17.1" or ">=1.0, <1.4 || =2.0"` }
      : { ok: true, value: range };
  },
};

const forbidden = strictObject({
  name: globPattern(
    'name as advisories write it (`org.apache.logging.log4j:log4j-core`), or of the source package; `*` and `?` are wildcards',
  ),
  type: nullable(oneOf(PACKAGE_TYPES), 'kind of package, as in package URLs; default: any'),
  version: nullable(versionRange),
  reason: nullable(string('why it is forbidden', 1024)),
});

/** Refuses images with certain packages. */
export const packageRule = strictObject(
  {
    type: oneOf(['package']),
    ...RULE_HEAD,
    forbid: list(forbidden, 'packages that the image must not contain', 1024),
  },
  'The image contains none of these packages.',
);
/** See {@link packageRule}. */
export type PackageRule = Infer<typeof packageRule>;

/** What is wrong with the rule beside its schema; undefined: nothing. */
export function packageRuleProblem({ forbid }: PackageRule, at: string): string | undefined {
  for (const [index, { type, version }] of forbid.entries()) {
    if (type === null || version === null) continue;
    if (invalidVersion(version, type) !== undefined)
      return `${at}.forbid[${String(index)}].version: not a version of ${type}`;
  }
  return undefined;
}

/** What the rule has against the image. Packages that could not be read may be forbidden ones. */
export function judgePackages({ forbid }: PackageRule, input: JudgeInput): readonly Objection[] {
  const { inventory } = input.evidence;
  const gaps = inventoryGaps(input, 'an image without the forbidden packages');
  if (inventory.state !== 'seen') return gaps;
  const found = inventory.value.packages.flatMap((one) => forbid.flatMap((entry) => judgeOne(one, entry)));
  return [...found, ...gaps];
}

function judgeOne(one: Package, { name, type, version, reason }: PackageRule['forbid'][number]): readonly Objection[] {
  if (type !== null && type !== one.type) return [];
  const isNamed = matchesGlob(name, one.name) || (one.source !== undefined && matchesGlob(name, one.source.name));
  if (!isNamed) return [];
  const isForbidden = version === null ? true : isInRange(one, version);
  if (isForbidden === false) return [];
  const shared = {
    about: `${one.type}:${one.name}`,
    actual: `${one.name} ${one.version} at ${one.path}`,
    expected: `no ${describePackage({ name, version })}`,
    package: one,
  };
  if (isForbidden === undefined)
    return [
      unknown({
        ...shared,
        code: 'package-unknown',
        actual: `${shared.actual}: the version cannot be compared`,
        action: 'Forbid the package without a range of versions, or remove it.',
      }),
    ];
  const action = reason === null ? 'Remove the package, or install a version that is not forbidden.' : reason;
  return [violation({ ...shared, code: 'package-forbidden', action })];
}

/** A forbidden package in words: `log4j-core <2.17.1`. */
export function describePackage({ name, version }: Pick<PackageRule['forbid'][number], 'name' | 'version'>): string {
  return version === null ? name : `${name} ${describeRange(version)}`;
}

function describeRange(range: VersionRange): string {
  return range
    .map((comparisons) => comparisons.map(({ operator, version }) => operator + version).join(', '))
    .join(' || ');
}
