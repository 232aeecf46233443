import { isOsPackageType, PACKAGE_TYPES } from '../../vulnerability/package.ts';
import type { Distribution, Package, PackageType } from '../../vulnerability/package.ts';
import {
  completeVersion,
  distributionId,
  formatPurl,
  parsePurl,
  purlOf,
  purlTypeOf,
} from '../../vulnerability/purl.ts';
import type { Purl } from '../../vulnerability/purl.ts';

/** A package of a URL, and the distribution that the URL names. */
export interface ParsedPackageUrl {
  readonly package: Omit<Package, 'path'>;
  readonly distribution?: Pick<Distribution, 'id' | 'versionId' | 'codename'>;
}

/** Why a URL gives no package: it breaks the specification, its type is not supported, or it has no version. */
export type PackageUrlFault = 'malformed' | 'unsupported-type' | 'no-version';

/**
 * The release that advisories go by, from a version that may be finer: Debian and the families of Red Hat number point
 * releases (`12.5`), while `VERSION_ID` of Debian names the major version only.
 */
export function releaseOf(id: string, version: string): string {
  return id === 'debian' ? (version.split('.')[0] ?? version) : version;
}

/** The text of the package URL of a package; `distribution` gives packages of an OS their namespace. */
export function packageUrl(item: Omit<Package, 'path'>, distribution?: Distribution): string {
  return formatPurl(purlOf(item, distribution));
}

/** The package of a package URL as scanners write it; untrusted text of any length. Never throws. */
export function parsePackageUrl(text: string): ParsedPackageUrl | PackageUrlFault {
  const written = purlTypeOf(text);
  const type = PACKAGE_TYPES.find((each) => each === written);
  if (type === undefined) return written === undefined ? 'malformed' : 'unsupported-type';
  const purl = parsePurl(text);
  if (purl === undefined) return 'malformed';
  if (purl.version === undefined) return 'no-version';
  const version = completeVersion(purl);
  return version === undefined ? 'malformed' : toPackage(type, purl, version);
}

function toPackage(type: PackageType, purl: Purl, version: string): ParsedPackageUrl {
  const { arch, upstream, rpmmod, modularitylabel, distro } = purl.qualifiers;
  const { namespace = '' } = purl;
  const isOsPackage = isOsPackageType(type);
  const prefix = isOsPackage || namespace === '' ? '' : `${namespace}${type === 'maven' ? ':' : '/'}`;
  const source = isOsPackage ? parseUpstream(upstream, version) : undefined;
  const modularity = rpmmod ?? modularitylabel;
  const distribution = isOsPackage ? parseDistro(namespace, distro) : undefined;
  return {
    package: {
      type,
      name: `${prefix}${purl.name}`,
      version,
      ...(arch !== undefined && { architecture: arch }),
      ...(source !== undefined && { source }),
      ...(modularity !== undefined && { modularity }),
    },
    ...(distribution !== undefined && { distribution }),
  };
}

/** `NAME`, `NAME@VERSION`, or the file name of a source rpm. Without a version it is that of the package. */
function parseUpstream(upstream: string | undefined, version: string): Package['source'] {
  if (upstream === undefined || upstream === '') return undefined;
  const rpm = /^(.+)-([^-]+-[^-]+)\.src\.rpm$/.exec(upstream.slice(0, 1024));
  if (rpm?.[1] !== undefined && rpm[2] !== undefined) return { name: rpm[1], version: rpm[2] };
  const at = upstream.lastIndexOf('@');
  return at <= 0 ? { name: upstream, version } : { name: upstream.slice(0, at), version: upstream.slice(at + 1) };
}

/** `debian-12`, `opensuse-leap-15.4`, `3.18.4` of the namespace's distribution, or a codename: `bookworm`, `debian-sid`. */
function parseDistro(namespace: string, distro: string | undefined): ParsedPackageUrl['distribution'] {
  const vendor = distributionId(namespace);
  const match = /^(?:([A-Za-z][\w.-]{0,63})-)?(\d[\w.]{0,31})$/.exec(distro ?? '');
  const id = match?.[1] === undefined ? vendor : distributionId(match[1]);
  if (id === '') return undefined;
  if (match?.[2] !== undefined) return { id, versionId: releaseOf(id, match[2]) };
  const codename = distro?.startsWith(`${id}-`) === true ? distro.slice(id.length + 1) : distro;
  return codename === undefined || !/^[a-z]{1,32}$/.test(codename) ? { id } : { id, codename };
}
