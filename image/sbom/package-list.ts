import { isOsPackageType } from '../../vulnerability/package.ts';
import type { Distribution, InventoryGap, Package } from '../../vulnerability/package.ts';
import { distributionId } from '../../vulnerability/purl.ts';
import { parsePackageUrl, releaseOf } from './package-url.ts';
import { isName, isVersion } from '../inventory/language/detection.ts';

/** What a document says about one package besides its package URL. */
export interface PackageClaim {
  readonly purl: string;
  /** The name as the document writes it, which keeps upper case that a package URL may have lost. */
  readonly name?: string | undefined;
  /** Counts where the package URL has none. */
  readonly version?: string | undefined;
  readonly source?: { readonly name: string; readonly version?: string | undefined } | undefined;
  readonly vendor?: string | undefined;
  readonly modularity?: string | undefined;
  readonly paths?: readonly string[] | undefined;
}

/** The operating system that a document names. */
export interface SystemClaim {
  readonly name: string;
  readonly version?: string | undefined;
  readonly codename?: string | undefined;
  readonly like?: readonly string[] | undefined;
}

const MAX_PATHS = 100;

/** Collects the packages of one document, and counts what cannot be judged. */
export class PackageList {
  readonly #packages = new Map<string, Package>();
  readonly #gaps: InventoryGap[] = [];
  readonly #counts = { noPurl: 0, malformed: 0, 'unsupported-type': 0, 'no-version': 0 };
  readonly #distributions = new Map<string, Distribution>();
  #system: Distribution | undefined;
  #hasSystemPackages = false;
  #hasSeveralReleases = false;

  /** A package with a package URL. */
  add(claim: PackageClaim): void {
    const parsed = parsePackageUrl(withVersion(claim));
    if (typeof parsed === 'string') {
      this.#counts[parsed] += 1;
      return;
    }
    const item = completed(parsed.package, claim);
    if (!isName(item.name) || !isVersion(item.version)) {
      this.#counts.malformed += 1;
      return;
    }
    const { distribution } = parsed;
    if (isOsPackageType(item.type)) this.#hasSystemPackages = true;
    if (distribution !== undefined) this.#addDistribution({ ...distribution, like: [] });
    for (const location of (claim.paths ?? ['SBOM']).slice(0, MAX_PATHS)) {
      const path = claim.paths === undefined || location.startsWith('/') ? location : `/${location}`;
      this.#packages.set([item.type, item.name, item.version, item.architecture ?? '', path].join('\0'), {
        ...item,
        path,
      });
    }
  }

  #addDistribution(distribution: Distribution): void {
    const known = this.#distributions.get(distribution.id);
    if (areOtherReleases(known, distribution)) this.#hasSeveralReleases = true;
    this.#distributions.set(distribution.id, { ...known, ...distribution });
  }

  /** A package that cannot be identified. */
  addUnidentified(): void {
    this.#counts.noPurl += 1;
  }

  addGap(gap: InventoryGap): void {
    if (this.#gaps.length < 500) this.#gaps.push(gap);
  }

  addSystem({ name, version, codename, like }: SystemClaim): void {
    const id = distributionId(name);
    if (this.#system !== undefined && this.#system.id !== id) {
      this.addGap({ path: 'SBOM', reason: 'names several operating systems' });
      return;
    }
    this.#system = {
      id,
      ...(version !== undefined && version !== '' && { versionId: releaseOf(id, version) }),
      ...(codename !== undefined && { codename }),
      like: like ?? [],
    };
  }

  get packages(): readonly Package[] {
    return [...this.#packages.values()];
  }

  /** The operating system of the document, or else the one that its package URLs agree on. */
  get distribution(): Distribution | undefined {
    if (this.#system !== undefined) return this.#system;
    const [only, other] = this.#distributions.values();
    return other === undefined ? only : undefined;
  }

  /** What the document does not say. An SBOM that lists nothing proves nothing. */
  get gaps(): readonly InventoryGap[] {
    const { noPurl, malformed, 'no-version': noVersion, 'unsupported-type': unsupported } = this.#counts;
    const several = this.#system === undefined && this.#distributions.size > 1;
    const system = this.#system;
    const foreign =
      system !== undefined &&
      [...this.#distributions.values()].some((each) => each.id !== system.id || areOtherReleases(each, system));
    const reasons = [
      count(noPurl, 'without a package URL'),
      count(malformed, 'with a package URL that is not valid'),
      count(noVersion, 'without a version'),
      count(unsupported, 'of a type that is not supported'),
      this.#hasSystemPackages && this.distribution === undefined && !several
        ? 'does not name the distribution of its packages'
        : undefined,
      several || foreign ? 'has packages of several distributions' : undefined,
      this.#hasSeveralReleases ? 'has packages of several releases of a distribution' : undefined,
      this.#packages.size === 0 ? 'lists no package that can be judged' : undefined,
    ];
    return [...this.#gaps, ...reasons.flatMap((reason) => (reason === undefined ? [] : [{ path: 'SBOM', reason }]))];
  }
}

function count(number: number, what: string): string | undefined {
  return number === 0 ? undefined : `has ${String(number)} ${number === 1 ? 'package' : 'packages'} ${what}`;
}

/** `9` and `9.4` are the same release, `9.4` and `9.5` are not. */
function areOtherReleases(one: Distribution | undefined, { versionId: other }: Distribution): boolean {
  const versionId = one?.versionId;
  if (versionId === undefined || other === undefined) return false;
  return !`${versionId}.`.startsWith(`${other}.`) && !`${other}.`.startsWith(`${versionId}.`);
}

/** Some tools write the version beside the package URL only. */
function withVersion({ purl, version }: PackageClaim): string {
  if (version === undefined || version === '' || version.length > 1024 || !version.isWellFormed()) return purl;
  const [plain = ''] = purl.split(/[?#]/, 1);
  const isComplete = plain.slice(plain.lastIndexOf('/')).includes('@');
  return isComplete ? purl : `${plain}@${encodeURIComponent(version)}${purl.slice(plain.length)}`;
}

function completed(item: Omit<Package, 'path'>, claim: PackageClaim): Omit<Package, 'path'> {
  const { source, vendor, modularity, name } = claim;
  const keepsCase = item.type === 'golang' || item.type === 'npm' || item.type === 'nuget';
  return {
    ...item,
    ...(keepsCase && name?.toLowerCase() === item.name.toLowerCase() && { name }),
    ...(source !== undefined &&
      isName(source.name) && { source: { name: source.name, version: source.version ?? item.version } }),
    ...(vendor !== undefined && { vendor }),
    ...(modularity !== undefined && modularity !== '' && { modularity }),
  };
}
