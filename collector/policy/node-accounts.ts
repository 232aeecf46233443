import { seen, unreadable } from '../../posture/observed.ts';
import type { Observed } from '../../posture/observed.ts';
import { decodeInventory } from '../../proto/inventory-codec.ts';
import type { Distribution, Inventory, InventoryGap, Package, SetuidFile } from '../../vulnerability/package.ts';
import type { ImageStore, StoredClaim } from '../store/image-store.ts';
import type { ImageAccount } from './image-evidence.ts';

/*
 * How reports of nodes about the packages of one image are combined. An attacker may control any of the nodes, so no
 * report replaces another:
 *
 * - Each inventory that was read from layers is an account of the whole image. Layers cannot change, so two different
 *   ones contradict each other.
 * - A container installs, upgrades and removes packages while it runs, so a package that it lacks proves nothing. A
 *   package that the layers lack was either added at run time or omitted from a false report of the layers; both look
 *   the same, so it is an account of an addition. Where no layers were read, containers show a part of the image.
 * - A container with another distribution than the layers or another container contradicts them: the distribution
 *   decides which advisories count, so a false one would hide vulnerabilities.
 *
 * A contradiction is an account that cannot be read: no rule about packages accepts the image then.
 */

const SOURCE = 'nodes';
/** Inventories of one image that are read; each node has one at most. */
const MAX_INVENTORIES = 64;
/** Nodes that a contradiction names of each side. */
const MAX_NAMED = 3;
const MAX_NAME = 64;

/** In place of a list of what a container could have hidden. */
const CONTAINER_GAP: InventoryGap = Object.freeze({
  path: '/',
  reason: 'it was read through a running container, which can change what it shows',
});

/** One inventory, and who reports it. */
interface Report {
  readonly inventory: Inventory;
  readonly claims: readonly StoredClaim[];
}

/** An account of the whole image. */
export function whole(listed: Observed<Inventory>, origin = ''): ImageAccount {
  return { listed, extent: 'whole', origin };
}

/** It contradicts no violation that another account has. */
function unknownPart(reason: string): ImageAccount {
  return { listed: unreadable(SOURCE, reason), extent: 'part', origin: '' };
}

/** The accounts of an image, at least one. The order of claims does not matter. */
export async function nodeAccounts(
  claims: readonly StoredClaim[],
  images: Pick<ImageStore, 'inventoryContent'>,
): Promise<readonly ImageAccount[]> {
  const stored = claims.filter(({ isStored }) => isStored);
  const byDigest = [...Map.groupBy(stored, ({ digest = '' }) => digest)].sort(byClaims);
  if (byDigest.length === 0) {
    const [problem] = claims.flatMap((claim) => (claim.problem === '' ? [] : claim.problem)).sort();
    return [whole(unreadable(SOURCE, problem ?? 'no node has sent its packages yet'))];
  }
  const reports: Report[] = [];
  let isUnreadable = false;
  for (const [digest, own] of byDigest.slice(0, MAX_INVENTORIES)) {
    const bytes = await images.inventoryContent(digest);
    const decoded = bytes === undefined ? undefined : await decodeInventory({ digest, bytes });
    if (decoded?.ok === true) reports.push({ inventory: decoded.value, claims: own });
    else isUnreadable = true;
  }
  const layers = reports.filter(({ claims: own }) => own.some(isFromLayers));
  const containers = reports.filter(({ claims: own }) => !own.some(isFromLayers));
  const problem = byDigest.length > MAX_INVENTORIES ? TOO_MANY : contradictionOf(layers, containers);
  return [
    ...layers.map((report) => whole(seen(report.inventory, SOURCE), originOf([report], 'the layers'))),
    ...(layers.length > 0 ? additions(layers, containers) : parts(containers)),
    ...(isUnreadable ? [unknownPart('its packages are stored, but cannot be read')] : []),
    ...(problem === undefined ? [] : [unknownPart(problem)]),
  ];
}

const TOO_MANY = `nodes found more than ${String(MAX_INVENTORIES)} different lists of its packages`;

/** Reports from layers first, then those of most nodes, then the oldest: one node displaces no other report. */
function byClaims(
  [one, ofOne]: readonly [string, readonly StoredClaim[]],
  [other, ofOther]: readonly [string, readonly StoredClaim[]],
): number {
  const layers = (claims: readonly StoredClaim[]): number => (claims.some(isFromLayers) ? 0 : 1);
  const first = (claims: readonly StoredClaim[]): number => Math.min(...claims.map(({ changedMs }) => changedMs));
  return (
    layers(ofOne) - layers(ofOther) ||
    ofOther.length - ofOne.length ||
    first(ofOne) - first(ofOther) ||
    (one < other ? -1 : 1)
  );
}

function isFromLayers({ source }: StoredClaim): boolean {
  return source === 'layers';
}

/** Which reports cannot be true of one image; undefined: they can. */
function contradictionOf(layers: readonly Report[], containers: readonly Report[]): string | undefined {
  if (layers.length > 1) return `nodes found different packages in its layers: ${sidesOf(layers)}`;
  const byDistribution = Map.groupBy([...layers, ...containers], distributionKey);
  if (byDistribution.size < 2) return undefined;
  const sides = [...byDistribution.values()].map((reports) => {
    const { distribution } = (reports[0] ?? NOTHING).inventory;
    return `${nameOf(distribution)} by ${nodesOf(reports)}`;
  });
  return `nodes name different distributions of it: ${sides.sort().join('; ')}`;
}

const NOTHING: Report = Object.freeze({ inventory: { packages: [], gaps: [] }, claims: [] });

function sidesOf(reports: readonly Report[]): string {
  const sides = reports.map((report) => `${String(report.inventory.packages.length)} by ${nodesOf([report])}`);
  return sides.sort().join('; ');
}

/** Packages and setuid files of containers that some report of the layers lacks. */
function additions(layers: readonly Report[], containers: readonly Report[]): readonly ImageAccount[] {
  const known = layers.map(({ inventory }) => new Set(inventory.packages.map((found) => keyOf(inventory, found))));
  const files = layers.map(({ inventory }) => new Set((inventory.setuid?.files ?? []).map(fileKey)));
  return groupsOf(containers).flatMap((reports) => {
    const packages = new Map<string, Package>();
    const setuid = new Map<string, SetuidFile>();
    for (const { inventory } of reports) {
      for (const found of inventory.packages) {
        const key = keyOf(inventory, found);
        if (!known.every((keys) => keys.has(key))) packages.set(key, found);
      }
      for (const file of inventory.setuid?.files ?? [])
        if (!files.every((keys) => keys.has(fileKey(file)))) setuid.set(fileKey(file), file);
    }
    if (packages.size === 0 && setuid.size === 0) return [];
    const inventory = joined(reports, { packages, setuid, gaps: [] });
    return [{ listed: seen(inventory, SOURCE), extent: 'addition', origin: originOf(reports, 'containers') }];
  });
}

/** The accounts by containers where no layers were read. */
function parts(containers: readonly Report[]): readonly ImageAccount[] {
  return groupsOf(containers).map((reports) => {
    const packages = new Map<string, Package>();
    const setuid = new Map<string, SetuidFile>();
    for (const { inventory } of reports) {
      for (const found of inventory.packages) packages.set(keyOf(inventory, found), found);
      for (const file of inventory.setuid?.files ?? []) setuid.set(fileKey(file), file);
    }
    const gaps = [CONTAINER_GAP, ...reports.flatMap(({ inventory }) => inventory.gaps)];
    const inventory = joined(reports, { packages, setuid, gaps });
    return { listed: seen(inventory, SOURCE), extent: 'part', origin: originOf(reports, 'containers') };
  });
}

interface Joined {
  readonly packages: ReadonlyMap<string, Package>;
  readonly setuid: ReadonlyMap<string, SetuidFile>;
  readonly gaps: readonly InventoryGap[];
}

/** Reports with one distribution. Other containers may have other setuid files, so these are never all. */
function joined(reports: readonly Report[], { packages, setuid, gaps }: Joined): Inventory {
  const { distribution } = (reports[0] ?? NOTHING).inventory;
  return {
    ...(distribution !== undefined && { distribution }),
    packages: [...packages.values()],
    gaps,
    setuid: { files: [...setuid.values()], gaps: gaps.length > 0 ? [CONTAINER_GAP] : [] },
  };
}

/** Reports by distribution. */
function groupsOf(reports: readonly Report[]): readonly (readonly Report[])[] {
  return [...Map.groupBy(reports, distributionKey).values()];
}

function distributionKey({ inventory: { distribution } }: Report): string {
  return textOf(distribution);
}

function textOf(distribution: Distribution | undefined): string {
  if (distribution === undefined) return '';
  const { id, versionId = '', codename = '', like } = distribution;
  return JSON.stringify([id, versionId, codename, like]);
}

function nameOf(distribution: Distribution | undefined): string {
  return distribution === undefined ? 'none' : `${distribution.id} ${distribution.versionId ?? ''}`.trim();
}

/** Everything that an answer about a package can depend on. */
function keyOf({ distribution }: Inventory, found: Package): string {
  const { type, name, version, architecture, source, modularity, vendor, path } = found;
  const parts = [type, name, version, architecture, source?.name, source?.version, modularity, vendor, path];
  return JSON.stringify([...parts, textOf(distribution)]);
}

function fileKey({ path, mode }: SetuidFile): string {
  return `${String(mode)} ${path}`;
}

function originOf(reports: readonly Report[], place: string): string {
  return `${nodesOf(reports)}, from ${place}`;
}

/** The nodes by name and id: a node chooses its name, and can take that of another. */
function nodesOf(reports: readonly Report[]): string {
  const nodes = new Map(
    reports.flatMap(({ claims }) => claims.map(({ nodeId, nodeName }) => [nodeId, nodeName.slice(0, MAX_NAME)])),
  );
  const named = [...nodes].sort(([one], [other]) => (one < other ? -1 : 1)).slice(0, MAX_NAMED);
  const names = named.map(([id, name]) => (name === id || name === '' ? id : `${name} (${id})`)).join(', ');
  return nodes.size > MAX_NAMED ? `${names} and others` : names;
}
