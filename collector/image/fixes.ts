import { lookupOf } from '../../vulnerability/ecosystem.ts';
import { compareVersions } from '../../vulnerability/version.ts';
import type { Fixable, PackageVersion } from '../store/image-store.ts';
import { listImages } from './fleet-images.ts';
import type { FleetImageSources } from './fleet-images.ts';

/** An upgrade in an image and what it mends; see api/image.ts. */
export interface ImageFix {
  readonly imageId: string;
  readonly imageName: string;
  readonly type: string;
  readonly package: string;
  readonly version: string;
  readonly fixedVersion: string;
  readonly vulnerabilities: number;
  readonly ids: readonly string[];
  readonly exploited: number;
  readonly maxRisk: number;
  readonly totalRisk: number;
  readonly containers: number;
}

/** What is upgraded together: a source package, or a package of a language, in one version. */
interface Upgrade {
  readonly type: string;
  readonly package: string;
  readonly version: string;
  fixedVersion: string;
  readonly byId: Map<string, Fixable>;
}

const MAX_IDS = 10;
/** Images whose packages are read at a stretch. */
const SLICE = 50;

/**
 * Upgrades in images that run, by the risk that they remove times the containers that they remove it from, the largest
 * first. `imageId`: of one image only, whether it runs or not.
 */
export async function listFixes(sources: FleetImageSources, imageId?: string): Promise<readonly ImageFix[]> {
  const { images } = sources;
  const list = (await listImages(sources, { unused: imageId !== undefined })).filter(
    ({ id }) => imageId === undefined || id === imageId,
  );
  const fixable = Map.groupBy(await images.fixable(), ({ packageKey }) => packageKey);
  const upgradeOf = upgradesOf(await images.packages([...fixable.keys()]), fixable);
  const fixes: ImageFix[] = [];
  let read = 0;
  for (const { id, names, containers, inventories } of list) {
    const upgrades = new Set<Upgrade>();
    for (const { digest } of inventories)
      for (const key of await images.packagesOf(digest)) {
        const upgrade = upgradeOf.get(key);
        if (upgrade !== undefined) upgrades.add(upgrade);
      }
    for (const upgrade of upgrades) fixes.push(fixOf(upgrade, { id, name: names[0] ?? '', containers }));
    read += 1;
    if (read % SLICE === 0) await new Promise(setImmediate);
  }
  const weight = ({ totalRisk, containers }: ImageFix): number => totalRisk * Math.max(1, containers);
  return fixes.sort((one, other) => weight(other) - weight(one) || (one.imageId < other.imageId ? -1 : 1));
}

/** The upgrade of each package version that has one. */
function upgradesOf(
  packages: readonly PackageVersion[],
  fixable: ReadonlyMap<number, readonly Fixable[]>,
): ReadonlyMap<number, Upgrade> {
  const upgrades = new Map<string, Upgrade>();
  const byKey = new Map<number, Upgrade>();
  for (const { key, package: found, distribution } of packages) {
    const [name, version] = [found.source?.name ?? found.name, found.source?.version ?? found.version];
    const identity = JSON.stringify([found.type, name, version, distribution]);
    const upgrade = upgrades.get(identity) ?? {
      type: found.type,
      package: name,
      version,
      fixedVersion: '',
      byId: new Map<string, Fixable>(),
    };
    upgrades.set(identity, upgrade);
    byKey.set(key, upgrade);
    const known = lookupOf(found, distribution);
    for (const one of fixable.get(key) ?? []) {
      upgrade.byId.set(one.vulnerabilityId, one);
      const isLater =
        upgrade.fixedVersion === '' ||
        (known.ok && compareVersions(known.lookup.scheme, one.fixedVersion, upgrade.fixedVersion) === 1);
      if (isLater) upgrade.fixedVersion = one.fixedVersion;
    }
  }
  return byKey;
}

function fixOf(
  { type, package: name, version, fixedVersion, byId }: Upgrade,
  image: { readonly id: string; readonly name: string; readonly containers: number },
): ImageFix {
  const mended = [...byId.values()].sort((one, other) => other.risk - one.risk);
  return {
    imageId: image.id,
    imageName: image.name,
    type,
    package: name,
    version,
    fixedVersion,
    vulnerabilities: mended.length,
    ids: mended.slice(0, MAX_IDS).map(({ vulnerabilityId }) => vulnerabilityId),
    exploited: mended.filter(({ exploited }) => exploited).length,
    maxRisk: mended[0]?.risk ?? 0,
    totalRisk: Math.round(mended.reduce((total, { risk }) => total + risk, 0) * 10) / 10,
    containers: image.containers,
  };
}
