import { PackageURL } from 'packageurl-js';
import type { Distribution, Package, PackageType } from '../../vulnerability/package.ts';

/**
 * Package URLs (https://github.com/package-url/purl-spec) from packages and back, with the qualifiers that scanners use
 * for packages of distributions: `arch`, `distro`, `epoch`, `upstream` (the source package) and `rpmmod`.
 */

/** A package of a URL, and the distribution that the URL names. */
export interface ParsedPackageUrl {
  readonly package: Omit<Package, 'path'>;
  readonly distribution?: Pick<Distribution, 'id' | 'versionId' | 'codename'>;
}

/** Why a URL gives no package: it breaks the specification, its type is none of ours, or it has no version. */
export type PackageUrlFault = 'malformed' | 'unsupported-type' | 'no-version';

const MAX_LENGTH = 4096;

const SYSTEM_TYPES: ReadonlySet<PackageType> = new Set(['deb', 'apk', 'rpm']);

const TYPES: ReadonlySet<string> = new Set<PackageType>([
  'deb',
  'apk',
  'rpm',
  'npm',
  'pypi',
  'golang',
  'cargo',
  'gem',
  'maven',
  'composer',
  'nuget',
]);

/**
 * Types whose names the library would change: it lowers the case of npm names, of which old ones have upper case, and
 * refuses Go versions that are not three numbers.
 */
const VERBATIM_TYPES: ReadonlySet<string> = new Set(['npm', 'golang']);

/** Namespaces that differ from the `ID` of os-release. */
const VENDOR_OF_ID: ReadonlyMap<string, string> = new Map([['rhel', 'redhat']]);
const ID_OF_VENDOR: ReadonlyMap<string, string> = new Map([
  ['redhat', 'rhel'],
  ['alma', 'almalinux'],
  ['oracle', 'ol'],
  ['oraclelinux', 'ol'],
  ['amazon', 'amzn'],
  ['rockylinux', 'rocky'],
  ['opensuse.leap', 'opensuse-leap'],
  ['opensuse.tumbleweed', 'opensuse-tumbleweed'],
  ['suse linux enterprise server', 'sles'],
  ['cbl-mariner', 'mariner'],
]);

/** The `ID` of os-release for the name that a scanner or vendor uses for a distribution. */
export function distributionId(name: string): string {
  const lower = name.toLowerCase();
  return ID_OF_VENDOR.get(lower) ?? lower;
}

/**
 * The release that advisories go by, from a version that may be finer: Debian and the families of Red Hat number point
 * releases (`12.5`), while `VERSION_ID` of Debian names the major version only.
 */
export function releaseOf(id: string, version: string): string {
  return id === 'debian' ? (version.split('.')[0] ?? version) : version;
}

/** The package URL of a package; `distribution` gives packages of an OS their namespace. */
export function packageUrl(item: Omit<Package, 'path'>, distribution?: Distribution): string {
  const [namespace, name] = nameParts(item, distribution);
  const { version, epoch } = versionParts(item);
  const qualifiers = {
    ...(item.architecture !== undefined && { arch: item.architecture }),
    ...(epoch !== undefined && { epoch }),
    ...(SYSTEM_TYPES.has(item.type) &&
      distribution?.versionId !== undefined && { distro: `${distribution.id}-${distribution.versionId}` }),
    ...(item.source !== undefined && { upstream: `${item.source.name}@${item.source.version}` }),
    ...(item.modularity !== undefined && { rpmmod: item.modularity }),
  };
  const type = VERBATIM_TYPES.has(item.type) ? 'generic' : item.type;
  const some = Object.keys(qualifiers).length > 0 ? qualifiers : undefined;
  const url = new PackageURL(type, namespace, name, version, some, undefined).toString();
  return url.replace(/^pkg:generic\//, `pkg:${item.type}/`);
}

function nameParts(item: Omit<Package, 'path'>, distribution?: Distribution): readonly [string | undefined, string] {
  if (SYSTEM_TYPES.has(item.type)) {
    const id = distribution?.id;
    return [id === undefined ? undefined : (VENDOR_OF_ID.get(id) ?? id), item.name];
  }
  const separator = item.type === 'maven' ? ':' : '/';
  const end = item.name.lastIndexOf(separator);
  return end <= 0 ? [undefined, item.name] : [item.name.slice(0, end), item.name.slice(end + 1)];
}

function versionParts({ type, name, version }: Omit<Package, 'path'>): {
  readonly version: string;
  readonly epoch?: string;
} {
  // Go writes its modules with a v, but not its own releases.
  if (type === 'golang') return { version: name === 'stdlib' ? version : `v${version}` };
  const epoch = type === 'rpm' ? /^(\d+):(.*)$/.exec(version) : null;
  return epoch?.[1] === undefined || epoch[2] === undefined ? { version } : { version: epoch[2], epoch: epoch[1] };
}

/** Parses a package URL; untrusted text of any length. Never throws. */
export function parsePackageUrl(text: string): ParsedPackageUrl | PackageUrlFault {
  if (text.length > MAX_LENGTH) return 'malformed';
  const type = /^pkg:\/{0,2}([A-Za-z0-9.+-]+)\//.exec(text)?.[1]?.toLowerCase();
  if (type === undefined) return 'malformed';
  if (!TYPES.has(type)) return 'unsupported-type';
  const url = parse(VERBATIM_TYPES.has(type) ? text.replace(/^pkg:\/{0,2}[^/]+\//, 'pkg:generic/') : text);
  if (url === undefined) return 'malformed';
  if (url.version === undefined || url.version === null || url.version === '') return 'no-version';
  return toPackage(type as PackageType, url, url.version);
}

function parse(text: string): PackageURL | undefined {
  try {
    return PackageURL.fromString(text);
  } catch {
    return undefined;
  }
}

function toPackage(type: PackageType, url: PackageURL, version: string): ParsedPackageUrl {
  const qualifiers = new Map(Object.entries(url.qualifiers ?? {}));
  const namespace = url.namespace ?? '';
  const isSystem = SYSTEM_TYPES.has(type);
  const joined = namespace === '' ? url.name : `${namespace}${type === 'maven' ? ':' : '/'}${url.name}`;
  const name = isSystem ? url.name : joined;
  const full = fullVersion(type, version, qualifiers.get('epoch'));
  const architecture = qualifiers.get('arch');
  const source = isSystem ? parseUpstream(qualifiers.get('upstream'), full) : undefined;
  const modularity = qualifiers.get('rpmmod') ?? qualifiers.get('modularitylabel');
  const distribution = isSystem ? parseDistro(namespace, qualifiers.get('distro')) : undefined;
  return {
    package: {
      type,
      name: type === 'pypi' ? name.replaceAll(/[-_.]+/g, '-').toLowerCase() : name,
      version: full,
      ...(architecture !== undefined && { architecture }),
      ...(source !== undefined && { source }),
      ...(modularity !== undefined && { modularity }),
    },
    ...(distribution !== undefined && { distribution }),
  };
}

function fullVersion(type: PackageType, version: string, epoch: string | undefined): string {
  if (type === 'golang') return version.replace(/^v(?=\d)/, '');
  if (type === 'composer') return version.replace(/^v(?=\d)/, '');
  const wanted = (type === 'rpm' || type === 'deb') && epoch !== undefined && /^\d+$/.test(epoch) && epoch !== '0';
  return wanted && !/^\d+:/.test(version) ? `${epoch}:${version}` : version;
}

/** `NAME`, `NAME@VERSION`, or the file name of a source rpm. Without a version it is that of the package. */
function parseUpstream(upstream: string | undefined, version: string): Package['source'] {
  if (upstream === undefined || upstream === '') return undefined;
  const rpm = /^(.+)-([^-]+-[^-]+)\.src\.rpm$/.exec(upstream.slice(0, 1024));
  if (rpm?.[1] !== undefined && rpm[2] !== undefined) return { name: rpm[1], version: rpm[2] };
  const at = upstream.lastIndexOf('@');
  return at <= 0 ? { name: upstream, version } : { name: upstream.slice(0, at), version: upstream.slice(at + 1) };
}

/** `debian-12`, `opensuse-leap-15.4`, `3.18.4` of the namespace's distribution, or a codename such as `bookworm`. */
function parseDistro(namespace: string, distro: string | undefined): ParsedPackageUrl['distribution'] {
  const vendor = distributionId(namespace);
  const match = /^(?:([A-Za-z][\w.-]{0,63})-)?(\d[\w.]{0,31})$/.exec(distro ?? '');
  const id = match?.[1] === undefined ? vendor : distributionId(match[1]);
  if (id === '') return undefined;
  if (match?.[2] !== undefined) return { id, versionId: releaseOf(id, match[2]) };
  return distro === undefined || !/^[a-z]{1,32}$/.test(distro) ? { id } : { id, codename: distro };
}
