import type { TreeFile } from '../file-tree.ts';

/** A section of an ELF file; `offset` and `size` are bytes in the file, `address` is in memory. */
export interface ElfSection {
  readonly name: string;
  readonly offset: number;
  readonly size: number;
  readonly address: number;
}

/** A segment of an ELF file: what is loaded from where. `flags`: 1 executable, 2 writable, 4 readable. */
export interface ElfSegment {
  readonly type: number;
  readonly flags: number;
  readonly offset: number;
  readonly address: number;
  readonly size: number;
}

/** The headers of an ELF executable or shared object. */
export interface ElfHeaders {
  readonly wordBytes: 4 | 8;
  readonly littleEndian: boolean;
  /** As Go names it (`amd64`); undefined for machines that images are not built for. */
  readonly architecture?: string;
  /** Empty where the file has no section headers, as after packing. */
  readonly sections: readonly ElfSection[];
  readonly segments: readonly ElfSegment[];
}

/** Segment types that are used here. */
export const PT_LOAD = 1;
export const PT_NOTE = 4;

/** Covers the ELF header and the program headers of nearly all files with one read. */
const HEAD_BYTES = 2048;
/** Linked files have below a hundred sections and a dozen segments. */
const MAX_SECTIONS = 4096;
const MAX_SEGMENTS = 512;
const MAX_NAME_BYTES = 256 * 1024;
const ET_EXEC = 2;
const ET_DYN = 3;
const SHT_NOBITS = 8;
const MACHINES: ReadonlyMap<number, string> = new Map([
  [3, '386'],
  [22, 's390x'],
  [40, 'arm'],
  [62, 'amd64'],
  [183, 'arm64'],
  [243, 'riscv64'],
  [258, 'loong64'],
]);

/**
 * The headers of an ELF file; undefined where the file is no linked ELF file, or a reason where its headers are damaged
 * or beyond the limits. Throws what `TreeFile.read` throws. https://refspecs.linuxfoundation.org/elf/gabi4+/contents.html
 */
export function readElf(file: TreeFile): ElfHeaders | { readonly reason: string } | undefined {
  const head = file.read(0, HEAD_BYTES);
  if (head.length < 52 || head[0] !== 0x7f || head[1] !== 0x45 || head[2] !== 0x4c || head[3] !== 0x46)
    return undefined;
  const [bits, order] = [head[4], head[5]];
  if ((bits !== 1 && bits !== 2) || (order !== 1 && order !== 2)) return undefined;
  const wordBytes = bits === 2 ? 8 : 4;
  const word = new WordReader(head, wordBytes, order === 1);
  if (head.length < (wordBytes === 8 ? 64 : 52)) return undefined;
  const type = word.half(16);
  if (type !== ET_EXEC && type !== ET_DYN) return undefined;
  const segments = readSegments(file, word);
  const sections = readSections(file, word);
  if (segments === undefined || sections === undefined) return { reason: 'has damaged ELF headers' };
  const architecture = architectureOf(word.half(18), order === 1);
  return {
    wordBytes,
    littleEndian: order === 1,
    ...(architecture !== undefined && { architecture }),
    segments,
    sections,
  };
}

/** `e_machine` of an executable for Linux. */
function architectureOf(machine: number, littleEndian: boolean): string | undefined {
  if (machine === 21) return littleEndian ? 'ppc64le' : 'ppc64';
  return MACHINES.get(machine);
}

/** Reads words of the size and byte order of an ELF file. */
class WordReader {
  readonly bytes: Uint8Array;
  readonly wordBytes: 4 | 8;
  readonly littleEndian: boolean;
  readonly #view: DataView;

  constructor(bytes: Uint8Array, wordBytes: 4 | 8, littleEndian: boolean) {
    this.bytes = bytes;
    this.wordBytes = wordBytes;
    this.littleEndian = littleEndian;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  half(offset: number): number {
    return this.#view.getUint16(offset, this.littleEndian);
  }

  word(offset: number): number {
    return this.#view.getUint32(offset, this.littleEndian);
  }

  /** An address or size; beyond 2^53 it is not exact, and then beyond any file as well. */
  native(offset: number): number {
    return this.wordBytes === 4 ? this.word(offset) : Number(this.#view.getBigUint64(offset, this.littleEndian));
  }
}

/** A number in memory of an ELF file, of its word size and byte order; undefined beyond the end of `bytes`. */
export function nativeWord(
  bytes: Uint8Array,
  offset: number,
  elf: Pick<ElfHeaders, 'wordBytes' | 'littleEndian'>,
): number | undefined {
  if (offset + elf.wordBytes > bytes.length) return undefined;
  return new WordReader(bytes, elf.wordBytes, elf.littleEndian).native(offset);
}

function readSegments(file: TreeFile, head: WordReader): readonly ElfSegment[] | undefined {
  const wide = head.wordBytes === 8;
  const offset = head.native(wide ? 32 : 28);
  const entryBytes = head.half(wide ? 54 : 42);
  const count = head.half(wide ? 56 : 44);
  if (count === 0) return [];
  if (count > MAX_SEGMENTS || entryBytes !== (wide ? 56 : 32)) return undefined;
  const table = readTable(file, head, offset, count * entryBytes);
  if (table === undefined) return undefined;
  return Array.from({ length: count }, (_, index) => {
    const at = index * entryBytes;
    return {
      type: table.word(at),
      flags: table.word(at + (wide ? 4 : 24)),
      offset: table.native(at + (wide ? 8 : 4)),
      address: table.native(at + (wide ? 16 : 8)),
      size: table.native(at + (wide ? 32 : 16)),
    };
  });
}

function readSections(file: TreeFile, head: WordReader): readonly ElfSection[] | undefined {
  const wide = head.wordBytes === 8;
  const offset = head.native(wide ? 40 : 32);
  const entryBytes = head.half(wide ? 58 : 46);
  const count = head.half(wide ? 60 : 48);
  const namesIndex = head.half(wide ? 62 : 50);
  // A count of zero with a table means 65,280 sections or more, which no linked file has.
  if (offset === 0 || count === 0) return [];
  if (count > MAX_SECTIONS || entryBytes !== (wide ? 64 : 40) || namesIndex >= count) return undefined;
  const table = readTable(file, head, offset, count * entryBytes);
  if (table === undefined) return undefined;
  const rows = Array.from({ length: count }, (_, index) => {
    const at = index * entryBytes;
    return {
      nameOffset: table.word(at),
      type: table.word(at + 4),
      address: table.native(at + (wide ? 16 : 12)),
      offset: table.native(at + (wide ? 24 : 16)),
      size: table.native(at + (wide ? 32 : 20)),
    };
  });
  const holder = rows[namesIndex];
  if (holder === undefined || holder.offset > file.sizeBytes) return undefined;
  const names = file.read(holder.offset, Math.min(holder.size, MAX_NAME_BYTES));
  return rows
    .filter(({ type }) => type !== SHT_NOBITS)
    .map(({ nameOffset, address, offset, size }) => ({ name: nameAt(names, nameOffset), address, offset, size }));
}

/** A table of the file, taken from what is in memory where that holds it. */
function readTable(file: TreeFile, head: WordReader, offset: number, size: number): WordReader | undefined {
  if (offset + size > file.sizeBytes) return undefined;
  const inHead = offset + size <= head.bytes.length;
  const bytes = inHead ? head.bytes.subarray(offset, offset + size) : file.read(offset, size);
  return bytes.length < size ? undefined : new WordReader(bytes, head.wordBytes, head.littleEndian);
}

function nameAt(names: Uint8Array, offset: number): string {
  const end = names.indexOf(0, offset);
  // The names that are looked for are short.
  return String.fromCharCode(...names.subarray(offset, Math.min(end === -1 ? names.length : end, offset + 64)));
}
