import { FileTreeError } from '../file-tree.ts';

/** What the inventory needs of the header of an installed rpm. */
export interface RpmHeader {
  readonly name: string | undefined;
  readonly epoch: number | undefined;
  readonly version: string | undefined;
  readonly release: string | undefined;
  readonly architecture: string | undefined;
  readonly sourceRpm: string | undefined;
  readonly vendor: string | undefined;
  readonly modularityLabel: string | undefined;
  /** Absolute paths of the files; decoded when they are asked for. */
  readonly files: () => Iterable<string>;
}

/** Tags of rpm, rpmtag.h. */
const TAG = Object.freeze({
  name: 1000,
  version: 1001,
  release: 1002,
  epoch: 1003,
  vendor: 1011,
  architecture: 1022,
  sourceRpm: 1044,
  directoryIndexes: 1116,
  baseNames: 1117,
  directoryNames: 1118,
  oldFileNames: 1027,
  modularityLabel: 5096,
});
const WANTED: ReadonlySet<number> = new Set(Object.values(TAG));

/** Types of values, rpmtag.h. */
const TYPE = Object.freeze({ int32: 4, string: 6, stringArray: 8, i18nString: 9 });

/** As rpm: headers with more entries or bytes are refused. */
const MAX_ENTRIES = 0xffff;
const MAX_DATA_BYTES = 0x0fff_ffff;
const ENTRY_BYTES = 16;
/** Files of one package; the largest of Fedora has about 60,000. */
const MAX_FILES = 1_000_000;
const MAX_STRING_BYTES = 4096;

interface Entry {
  readonly type: number;
  readonly offset: number;
  readonly count: number;
}

/**
 * Decodes the header of an installed package as the databases of rpm store it: the number of entries and of data bytes
 * (big-endian, 32 bit), entries of tag, type, offset and count, then the data. Throws `FileTreeError` (`damaged`) where
 * lengths or offsets contradict each other.
 */
export function decodeRpmHeader(blob: Uint8Array): RpmHeader {
  const view = new DataView(blob.buffer, blob.byteOffset, blob.byteLength);
  if (blob.length < 8) throw damaged('a header is too short');
  const entryCount = view.getUint32(0);
  const dataBytes = view.getUint32(4);
  const dataAt = 8 + entryCount * ENTRY_BYTES;
  if (entryCount > MAX_ENTRIES || dataBytes > MAX_DATA_BYTES || dataAt + dataBytes !== blob.length)
    throw damaged('the lengths of a header contradict each other');
  const data = blob.subarray(dataAt);
  const entries = new Map<number, Entry>();
  for (let at = 8; at < dataAt; at += ENTRY_BYTES) {
    const tag = view.getUint32(at);
    if (!WANTED.has(tag) || entries.has(tag)) continue;
    const offset = view.getUint32(at + 8);
    if (offset >= data.length) throw damaged('an entry of a header lies outside of it');
    entries.set(tag, { type: view.getUint32(at + 4), offset, count: view.getUint32(at + 12) });
  }
  const textOf = (tag: number): string | undefined => {
    const entry = entries.get(tag);
    return entry === undefined ? undefined : strings(data, { ...entry, count: 1 }).next().value;
  };
  return {
    name: textOf(TAG.name),
    epoch: integers(data, entries.get(TAG.epoch))[0],
    version: textOf(TAG.version),
    release: textOf(TAG.release),
    architecture: textOf(TAG.architecture),
    sourceRpm: textOf(TAG.sourceRpm),
    vendor: textOf(TAG.vendor),
    modularityLabel: textOf(TAG.modularityLabel),
    files: () => filesOf(data, entries),
  };
}

/** Either full names (rpm 3), or base names, each with the index of its directory. */
function* filesOf(data: Uint8Array, entries: ReadonlyMap<number, Entry>): Generator<string> {
  const full = entries.get(TAG.oldFileNames);
  if (full !== undefined) yield* strings(data, full);
  const names = entries.get(TAG.baseNames);
  const directoryNames = entries.get(TAG.directoryNames);
  if (names === undefined || directoryNames === undefined) return;
  const directories = [...strings(data, directoryNames)];
  const indexes = integers(data, entries.get(TAG.directoryIndexes));
  let index = 0;
  for (const name of strings(data, names)) {
    const directory = directories[indexes[index] ?? -1];
    if (directory !== undefined) yield `${directory}${name}`;
    index += 1;
  }
}

function* strings(data: Uint8Array, { type, offset, count }: Entry): Generator<string, undefined> {
  if (type !== TYPE.string && type !== TYPE.stringArray && type !== TYPE.i18nString) return undefined;
  const decoder = new TextDecoder();
  let at = offset;
  for (let index = 0; index < Math.min(count, MAX_FILES); index += 1) {
    const end = data.indexOf(0, at);
    if (end < 0) throw damaged('a text of a header has no end');
    yield decoder.decode(data.subarray(at, Math.min(end, at + MAX_STRING_BYTES)));
    at = end + 1;
  }
  return undefined;
}

function integers(data: Uint8Array, entry: Entry | undefined): number[] {
  if (entry === undefined || entry.type !== TYPE.int32) return [];
  const count = Math.min(entry.count, MAX_FILES);
  if (entry.offset + count * 4 > data.length) throw damaged('an entry of a header lies outside of it');
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  return Array.from({ length: count }, (_, index) => view.getUint32(entry.offset + index * 4));
}

function damaged(detail: string): FileTreeError {
  return new FileTreeError('damaged', `damaged: ${detail}`);
}
