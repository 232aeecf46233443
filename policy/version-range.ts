import { compareVersions } from '../vulnerability/version.ts';
import type { VersionScheme } from '../vulnerability/version.ts';
import type { Package, PackageType } from '../vulnerability/package.ts';

/** How versions of each kind of package are ordered. */
const SCHEMES: Readonly<Record<PackageType, VersionScheme>> = Object.freeze({
  deb: 'dpkg',
  apk: 'apk',
  rpm: 'rpm',
  npm: 'semver',
  pypi: 'pep440',
  golang: 'golang',
  cargo: 'semver',
  gem: 'rubygems',
  maven: 'maven',
  composer: 'packagist',
  nuget: 'nuget',
});

/** All kinds of packages, sorted. */
export const PACKAGE_TYPES = Object.keys(SCHEMES).sort() as readonly PackageType[];

type Operator = '<' | '<=' | '>' | '>=' | '=' | '!=';

/** One comparison of a range. */
interface Comparison {
  readonly operator: Operator;
  readonly version: string;
}

/** Alternatives, of which one must hold; each is a list of comparisons that must all hold. */
export type VersionRange = readonly (readonly Comparison[])[];

const MAX_LENGTH = 512;

/**
 * Parses `>=1.0, <2.0 || =3.1`: comparisons separated by commas must all hold, `||` separates alternatives. Undefined
 * where the text is no range.
 */
export function parseVersionRange(text: string): VersionRange | undefined {
  if (text.length > MAX_LENGTH) return undefined;
  const alternatives = text.split('||').map((part) => part.split(',').map((item) => parseComparison(item.trim())));
  return alternatives.every((items) => items.every((item) => item !== undefined)) ? alternatives : undefined;
}

function parseComparison(text: string): Comparison | undefined {
  const [, operator, version = ''] = /^(<=?|>=?|!?=)\s*(\S+)$/.exec(text) ?? [];
  return operator === undefined ? undefined : { operator: operator as Operator, version };
}

/** The first version of the range that is not valid in the order of `type`; undefined if all are. */
export function invalidVersion(range: VersionRange, type: PackageType): string | undefined {
  return range.flat().find(({ version }) => compareVersions(SCHEMES[type], version, version) !== 0)?.version;
}

/** Is the version of the package in the range? Undefined where the versions cannot be compared. */
export function isInRange({ type, version }: Package, range: VersionRange): boolean | undefined {
  let isKnown = true;
  for (const comparisons of range) {
    const answers = comparisons.map((comparison) => holds(comparison, type, version));
    if (answers.every((answer) => answer === true)) return true;
    if (!answers.includes(false)) isKnown = false;
  }
  return isKnown ? false : undefined;
}

function holds({ operator, version: bound }: Comparison, type: PackageType, version: string): boolean | undefined {
  const order = compareVersions(SCHEMES[type], version, bound);
  if (order === undefined) return undefined;
  switch (operator) {
    case '<':
      return order < 0;
    case '<=':
      return order <= 0;
    case '>':
      return order > 0;
    case '>=':
      return order >= 0;
    case '=':
      return order === 0;
    case '!=':
      return order !== 0;
  }
}
