import { hash } from 'node:crypto';
import { promisify } from 'node:util';
import { brotliCompress, brotliDecompress, constants } from 'node:zlib';
import * as s from '../posture/schema.ts';
import type { Parsed } from '../posture/schema.ts';
import { PACKAGE_TYPES } from '../vulnerability/package.ts';
import type { Inventory, InventoryGap, Package, SetuidFiles } from '../vulnerability/package.ts';
import { compareText } from '../posture/text-order.ts';

/*
 * The inventory of an image on the wire: one JSON text, a column for each field of a package, compressed with Brotli.
 * Columns of fields with few values hold indexes into a list of these values; the others hold one string a package.
 * The text is canonical: packages and gaps are sorted, so that nodes that found the same send the same bytes, and its
 * SHA-256 names the inventory.
 */

/** An inventory as it is sent and stored. */
export interface EncodedInventory {
  /** SHA-256 of the text before compression, lower-case hex. */
  readonly digest: string;
  readonly bytes: Uint8Array;
}

/** Bounds of an inventory on the wire; see fleet.proto. */
export const INVENTORY_LIMITS = Object.freeze({
  packages: 50_000,
  gaps: 256,
  setuidFiles: 256,
  /** Compressed. */
  bytes: 4 * 1024 * 1024,
  /** Before compression. */
  textBytes: 8 * 1024 * 1024,
});

const FORMAT = 1;
const MAX_NAME = 512;
const MAX_VERSION = 256;
const MAX_VENDOR = 256;
const MAX_PATH = 1024;
const MAX_REASON = 512;
/** Marks in one path, and characters of all paths together: a mark can be one byte for a name of 512. */
const MAX_MARKS = 8;
const MAX_PATH_CHARACTERS = 32 * 1024 * 1024;
/** In the column of paths these mean the name and the version of the package. */
const [NAME_MARK, VERSION_MARK] = ['\u0001', '\u0002'];

const text = (maxLength: number): s.Schema<string> => s.string('', maxLength);
const column = <T>(item: s.Schema<T>): s.Schema<readonly T[]> => s.list(item, '', INVENTORY_LIMITS.packages);
const index = s.integer('', 0, INVENTORY_LIMITS.packages);
const dictionary = (maxLength: number) => s.object({ values: column(text(maxLength)), indexes: column(index) });

const gapColumn = s.list(s.list(text(MAX_PATH), '', 2), '', INVENTORY_LIMITS.gaps);

const wireSchema = s.object({
  format: s.integer('', FORMAT, FORMAT),
  distribution: s.nullable(
    s.object({
      id: text(128),
      versionId: s.nullable(text(128)),
      codename: s.nullable(text(128)),
      like: s.list(text(128), '', 16),
    }),
  ),
  types: s.object({ values: column(s.oneOf(PACKAGE_TYPES)), indexes: column(index) }),
  names: column(text(MAX_NAME)),
  versions: column(text(MAX_VERSION)),
  // Empty where the database names no other source.
  sourceNames: column(text(MAX_NAME)),
  sourceVersions: column(text(MAX_VERSION)),
  architectures: dictionary(64),
  modularities: dictionary(MAX_VENDOR),
  vendors: dictionary(MAX_VENDOR),
  paths: dictionary(MAX_PATH),
  gaps: gapColumn,
  // Absent: the agent is of a version that does not say.
  setuid: s.nullable(
    s.object({
      paths: s.list(text(MAX_PATH), '', INVENTORY_LIMITS.setuidFiles),
      modes: s.list(s.integer('', 0, 0o7777), '', INVENTORY_LIMITS.setuidFiles),
      gaps: gapColumn,
    }),
  ),
});
type WireInventory = s.Infer<typeof wireSchema>;

const compress = promisify(brotliCompress);
const decompress = promisify(brotliDecompress);

/**
 * Encodes an inventory. Equal inventories have the same digest whatever the order of their packages. What exceeds the
 * limits is left out, and a gap says so.
 */
export async function encodeInventory(inventory: Inventory): Promise<EncodedInventory> {
  const bytes = Buffer.from(JSON.stringify(toWire(bounded(inventory))));
  const compressed = await compress(bytes, {
    params: {
      [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
      [constants.BROTLI_PARAM_MODE]: constants.BROTLI_MODE_TEXT,
    },
  });
  return { digest: hash('sha256', bytes, 'hex'), bytes: compressed };
}

/**
 * Decodes an inventory that came from elsewhere. The result says what is wrong where it is damaged, exceeds a limit, or
 * is not the one that `digest` names.
 */
export async function decodeInventory({ digest, bytes }: EncodedInventory): Promise<Parsed<Inventory>> {
  if (bytes.length > INVENTORY_LIMITS.bytes) return { ok: false, problem: 'the inventory is too large' };
  let decompressed: Buffer;
  try {
    decompressed = await decompress(bytes, { maxOutputLength: INVENTORY_LIMITS.textBytes });
  } catch {
    return { ok: false, problem: 'the inventory is damaged or too large' };
  }
  if (hash('sha256', decompressed, 'hex') !== digest)
    return { ok: false, problem: 'the inventory is not the one that its digest names' };
  let value: unknown;
  try {
    value = JSON.parse(decompressed.toString('utf8'));
  } catch {
    return { ok: false, problem: 'the inventory is not JSON' };
  }
  const parsed = wireSchema.parse(value, 'inventory');
  return parsed.ok ? fromWire(parsed.value) : parsed;
}

function toWire({ distribution, packages, gaps, setuid }: Inventory): WireInventory {
  const sorted = packages.toSorted(
    (one, other) =>
      compareText(one.type, other.type) ||
      compareText(one.name, other.name) ||
      compareText(one.version, other.version) ||
      compareText(one.path, other.path) ||
      compareText(one.architecture ?? '', other.architecture ?? ''),
  );
  return {
    format: FORMAT,
    distribution:
      distribution === undefined
        ? null
        : {
            id: distribution.id,
            versionId: distribution.versionId ?? null,
            codename: distribution.codename ?? null,
            like: distribution.like,
          },
    types: indexed(sorted.map(({ type }) => type)),
    names: sorted.map(({ name }) => name),
    versions: sorted.map(({ version }) => version),
    sourceNames: sorted.map(({ source }) => source?.name ?? ''),
    sourceVersions: sorted.map(({ source, version }) => (source?.version === version ? '' : (source?.version ?? ''))),
    architectures: indexed(sorted.map(({ architecture = '' }) => architecture)),
    modularities: indexed(sorted.map(({ modularity = '' }) => modularity)),
    vendors: indexed(sorted.map(({ vendor = '' }) => vendor)),
    paths: indexed(sorted.map(pathTemplate)),
    gaps: gapRows(gaps),
    setuid:
      setuid === undefined
        ? null
        : {
            paths: setuid.files.map(({ path }) => path),
            modes: setuid.files.map(({ mode }) => mode),
            gaps: gapRows(setuid.gaps),
          },
  };
}

function gapRows(gaps: readonly InventoryGap[]): readonly (readonly string[])[] {
  return gaps
    .toSorted((one, other) => compareText(one.path, other.path) || compareText(one.reason, other.reason))
    .map(({ path, reason }) => [path, reason]);
}

function gapsOf(rows: readonly (readonly string[])[]): readonly InventoryGap[] {
  return rows.map(([path = '', reason = '']) => ({ path, reason }));
}

function fromWire(wire: WireInventory): Parsed<Inventory> {
  const { names, versions, sourceNames, sourceVersions, types, architectures, modularities, vendors, paths } = wire;
  const lists = [types.indexes, versions, sourceNames, sourceVersions];
  const dictionaries = [architectures, modularities, vendors, paths];
  if ([...lists, ...dictionaries.map(({ indexes }) => indexes)].some(({ length }) => length !== names.length))
    return { ok: false, problem: 'the columns of the inventory differ in length' };
  if (![types, ...dictionaries].every(isCanonical))
    return { ok: false, problem: 'the inventory is not canonical: a list of values has one that no package uses' };
  if (paths.values.some((path) => marksIn(path) > MAX_MARKS))
    return { ok: false, problem: 'a path of the inventory has too many marks' };
  const packages: Package[] = [];
  let pathCharacters = 0;
  for (const [place, name] of names.entries()) {
    const type = types.values[types.indexes[place] ?? -1];
    const version = versions[place];
    const template = valueAt(paths, place);
    const architecture = valueAt(architectures, place);
    const modularity = valueAt(modularities, place);
    const vendor = valueAt(vendors, place);
    if (type === undefined || version === undefined || template === undefined)
      return { ok: false, problem: 'a column of the inventory names a value that is not there' };
    if (architecture === undefined || modularity === undefined || vendor === undefined)
      return { ok: false, problem: 'a column of the inventory names a value that is not there' };
    const sourceName = sourceNames[place] ?? '';
    const path = template.replaceAll(VERSION_MARK, () => version).replaceAll(NAME_MARK, () => name);
    pathCharacters += path.length;
    if (pathCharacters > MAX_PATH_CHARACTERS) return { ok: false, problem: 'the paths of the inventory are too long' };
    packages.push({
      type,
      name,
      version,
      ...(architecture !== '' && { architecture }),
      ...(sourceName !== '' && { source: { name: sourceName, version: sourceVersions[place] || version } }),
      ...(modularity !== '' && { modularity }),
      ...(vendor !== '' && { vendor }),
      path,
    });
  }
  const { distribution, setuid } = wire;
  if (setuid !== null && setuid.modes.length !== setuid.paths.length)
    return { ok: false, problem: 'the setuid files of the inventory differ in length' };
  return {
    ok: true,
    value: {
      ...(distribution !== null && {
        distribution: {
          id: distribution.id,
          ...(distribution.versionId !== null && { versionId: distribution.versionId }),
          ...(distribution.codename !== null && { codename: distribution.codename }),
          like: distribution.like,
        },
      }),
      packages,
      gaps: gapsOf(wire.gaps),
      ...(setuid !== null && {
        setuid: {
          files: setuid.paths.map((path, at) => ({ path, mode: setuid.modes[at] ?? 0 })),
          gaps: gapsOf(setuid.gaps),
        },
      }),
    },
  };
}

/** The inventory within the limits. What had to be left out is a gap. */
function bounded({ distribution, packages, gaps, setuid }: Inventory): Inventory {
  const kept: Package[] = [];
  let unusable = 0;
  for (const found of packages) {
    if (!isWithin(found)) unusable += 1;
    else if (kept.length < INVENTORY_LIMITS.packages) kept.push(clean(found));
  }
  const left = packages.length - unusable - kept.length;
  const further: InventoryGap[] = [
    ...(left > 0 ? [{ path: '/', reason: `${String(left)} packages beyond the limit are left out` }] : []),
    ...(unusable > 0
      ? [{ path: '/', reason: `${String(unusable)} packages have names or versions that are too long` }]
      : []),
  ];
  return {
    ...(distribution !== undefined && {
      distribution: {
        ...distribution,
        id: cut(distribution.id, 128),
        ...(distribution.versionId !== undefined && { versionId: cut(distribution.versionId, 128) }),
        ...(distribution.codename !== undefined && { codename: cut(distribution.codename, 128) }),
        like: distribution.like.slice(0, 16).map((id) => cut(id, 128)),
      },
    }),
    packages: kept,
    gaps: boundedGaps(gaps, further),
    ...(setuid !== undefined && { setuid: boundedSetuid(setuid) }),
  };
}

function boundedGaps(gaps: readonly InventoryGap[], further: readonly InventoryGap[]): readonly InventoryGap[] {
  const room = INVENTORY_LIMITS.gaps - further.length - 1;
  const left = gaps.length - room;
  return [
    ...gaps.slice(0, room).map(({ path, reason }) => ({ path: cut(path, MAX_PATH), reason: cut(reason, MAX_REASON) })),
    ...further,
    ...(left > 0 ? [{ path: '/', reason: `${String(left)} further gaps are left out` }] : []),
  ];
}

/** Sorted by path. A path that is cut would be that of another file. */
function boundedSetuid({ files, gaps }: SetuidFiles): SetuidFiles {
  const kept = files
    .filter(({ path }) => path.length <= MAX_PATH)
    .toSorted((one, other) => compareText(one.path, other.path))
    .slice(0, INVENTORY_LIMITS.setuidFiles);
  const left = files.length - kept.length;
  const further =
    left > 0 ? [{ path: '/', reason: `${String(left)} further setuid or setgid files are left out` }] : [];
  return {
    files: kept.map(({ path, mode }) => ({ path: path.toWellFormed(), mode: mode & 0o7777 })),
    gaps: boundedGaps(gaps, further),
  };
}

/** A name or version that is cut would be that of another package. */
function isWithin({ name, version, source, modularity = '' }: Package): boolean {
  return (
    name.length <= MAX_NAME &&
    version.length <= MAX_VERSION &&
    (source?.name.length ?? 0) <= MAX_NAME &&
    (source?.version.length ?? 0) <= MAX_VERSION &&
    modularity.length <= MAX_VENDOR
  );
}

function clean(found: Package): Package {
  const { type, name, version, source, architecture, modularity, vendor, path } = found;
  return {
    type,
    name: wellFormed(name),
    version: wellFormed(version),
    ...(source !== undefined &&
      source.name !== '' && { source: { name: wellFormed(source.name), version: wellFormed(source.version) } }),
    ...(architecture !== undefined && { architecture: cut(architecture, 64) }),
    ...(modularity !== undefined && { modularity: wellFormed(modularity) }),
    ...(vendor !== undefined && { vendor: cut(vendor, MAX_VENDOR) }),
    path: cut(path, MAX_PATH),
  };
}

/** The path, with marks in place of name and version: then few different ones are left. */
function pathTemplate({ path, name, version }: Package): string {
  // A mark must not become longer than what it replaces, and a name of one letter is everywhere.
  const named = name.length < 2 ? path : path.replaceAll(name, NAME_MARK);
  const template = version.length < 3 ? named : named.replaceAll(version, VERSION_MARK);
  return marksIn(template) > MAX_MARKS ? path : template;
}

function marksIn(path: string): number {
  let marks = 0;
  for (let place = 0; place < path.length; place += 1) if (path.charCodeAt(place) <= 2) marks += 1;
  return marks;
}

function indexed<T extends string>(values: readonly T[]): { values: readonly T[]; indexes: readonly number[] } {
  const places = new Map<T, number>();
  const indexes = values.map((value) => {
    const place = places.get(value) ?? places.size;
    places.set(value, place);
    return place;
  });
  return { values: [...places.keys()], indexes };
}

/** Whether each value is there once, in the order of its first use: an unused one would be bytes that nothing counts. */
function isCanonical({ values, indexes }: { readonly values: readonly string[]; readonly indexes: readonly number[] }) {
  let used = 0;
  for (const index of indexes) {
    if (index > used) return false;
    if (index === used) used += 1;
  }
  return used === values.length && new Set(values).size === values.length;
}

function valueAt(
  { values, indexes }: { readonly values: readonly string[]; readonly indexes: readonly number[] },
  place: number,
): string | undefined {
  return values[indexes[place] ?? -1];
}

function cut(value: string, maxLength: number): string {
  return wellFormed(value.slice(0, maxLength));
}

/** JSON keeps unpaired surrogates, UTF-8 does not; and the marks must mean what they mean. */
function wellFormed(value: string): string {
  return value.toWellFormed().replaceAll(NAME_MARK, '\uFFFD').replaceAll(VERSION_MARK, '\uFFFD');
}
