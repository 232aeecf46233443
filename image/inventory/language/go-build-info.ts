import type { TreeFile } from '../file-tree.ts';
import { nativeWord, PT_LOAD, PT_NOTE } from './elf.ts';
import type { ElfHeaders, ElfSection } from './elf.ts';

/** What the Go linker wrote into an executable: the version of Go and the text that `go version -m` prints. */
export interface GoBuildInfo {
  readonly goVersion: string;
  readonly modules: string;
}

/** A module of a Go executable. `version` is as Go writes it (`v1.2.3`, `(devel)`), and may be empty. */
export interface GoModule {
  readonly path: string;
  readonly version: string;
}

/** The modules of an executable; `localModules` counts those that were replaced by a directory of unknown version. */
export interface GoModules {
  /** The package path of the program, such as `cmd/go`; empty where it is not known. */
  readonly program: string;
  readonly main?: GoModule;
  readonly dependencies: readonly GoModule[];
  readonly localModules: number;
}

/** `\xff Go buildinf:` */
const MAGIC = Uint8Array.of(0xff, 0x20, 0x47, 0x6f, 0x20, 0x62, 0x75, 0x69, 0x6c, 0x64, 0x69, 0x6e, 0x66, 0x3a);
/** Around the text of the modules: `infoStart` and `infoEnd` of src/cmd/go/internal/modload of Go. */
const MODULES_START = Uint8Array.from(Buffer.from('3077af0c9274080241e1c107e6d618e6', 'hex'));
const MODULES_END = Uint8Array.from(Buffer.from('f932433186182072008242104116d8f2', 'hex'));
const ALIGNMENT = 16;
const HEADER_BYTES = 32;
const INLINE_STRINGS = 2;
const BIG_ENDIAN = 1;
/** The linker puts the build information first in its section or segment; the scan goes further for other linkers. */
const MAX_SCAN_BYTES = 64 * 1024 * 1024;
const CHUNK_BYTES = 1024 * 1024;
const MAX_VERSION_BYTES = 1024;
const MAX_MODULES_BYTES = 8 * 1024 * 1024;

/** Sections that only the Go linker writes. */
const GO_SECTIONS = /^\.(?:go\.buildinfo|note\.go\.buildid|gosymtab|go\.\w+|(?:data\.rel\.ro\.)?gopclntab)$/;

/** Whether the Go linker made an executable, which it also is without its build information. */
export function isGoExecutable(file: TreeFile, elf: ElfHeaders): boolean {
  if (elf.sections.some(({ name }) => GO_SECTIONS.test(name))) return true;
  if (elf.sections.length > 0) return false;
  const notes = elf.segments.filter(({ type }) => type === PT_NOTE).slice(0, 8);
  // A note of Go: length of the name (4), of the description, type 4, and the name `Go\0\0`.
  return notes.some(({ offset, size }) => {
    const note = offset > file.sizeBytes ? new Uint8Array() : file.read(offset, Math.min(size, 4096));
    return String.fromCharCode(...note).includes('Go\0\0');
  });
}

/**
 * The build information of a Go executable, in the form with pointers (until Go 1.17) and the inline form; undefined
 * if absent or damaged. Reads at most 64 MiB. Format: src/debug/buildinfo of Go.
 */
export function readGoBuildInfo(file: TreeFile, elf: ElfHeaders): GoBuildInfo | undefined {
  const section = elf.sections.find(({ name }) => name === '.go.buildinfo');
  const segment = elf.segments.find(({ type, flags }) => type === PT_LOAD && (flags & 3) === 2);
  for (const range of [section, segment]) {
    const start = range === undefined ? undefined : find(file, range, MAGIC, ALIGNMENT);
    if (start === undefined) continue;
    const header = file.read(start, HEADER_BYTES);
    if (header.length < HEADER_BYTES) return undefined;
    return ((header[15] ?? 0) & INLINE_STRINGS) === 0
      ? readThroughPointers(file, elf, header)
      : readInline(file, start + HEADER_BYTES);
  }
  return undefined;
}

/**
 * The text of the modules in an executable whose build information was removed: it lies between two marks that the go
 * command writes around it, for the running program to find. Reads at most 64 MiB.
 */
export function findGoModules(file: TreeFile, elf: ElfHeaders): string | undefined {
  const section = elf.sections.find(({ name }) => name === '.rodata');
  const { offset, size } = section ?? { offset: 0, size: file.sizeBytes };
  const start = find(file, { offset, size }, MODULES_START, 1);
  if (start === undefined) return undefined;
  const length = Math.min(offset + size - start, MAX_MODULES_BYTES);
  const end = find(file, { offset: start, size: length }, MODULES_END, 1);
  if (end === undefined) return undefined;
  return new TextDecoder().decode(file.read(start + MODULES_START.length, end - start - MODULES_START.length));
}

/** Where `pattern` first is in a range of the file, at a multiple of `alignment` from its start. */
function find(
  file: TreeFile,
  { offset, size }: Pick<ElfSection, 'offset' | 'size'>,
  pattern: Uint8Array,
  alignment: number,
): number | undefined {
  const end = Math.min(offset + size, file.sizeBytes, offset + MAX_SCAN_BYTES);
  for (let at = offset; at < end; at += CHUNK_BYTES) {
    // Chunks overlap, so that a match across a border is found.
    const bytes = file.read(at, Math.min(CHUNK_BYTES + pattern.length, end - at));
    const chunk = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (let hit = chunk.indexOf(pattern); hit !== -1; hit = chunk.indexOf(pattern, hit + 1)) {
      if ((at + hit - offset) % alignment === 0) return at + hit;
    }
  }
  return undefined;
}

/** Two strings, each with its length as a varint before it. */
function readInline(file: TreeFile, offset: number): GoBuildInfo | undefined {
  const version = readInlineString(file, offset, MAX_VERSION_BYTES);
  if (version === undefined) return undefined;
  const modules = readInlineString(file, version.end, MAX_MODULES_BYTES);
  return modules === undefined ? undefined : buildInfo(version.bytes, modules.bytes);
}

function readInlineString(
  file: TreeFile,
  offset: number,
  maxBytes: number,
): { readonly bytes: Uint8Array; readonly end: number } | undefined {
  const prefix = file.read(offset, 5);
  let length = 0;
  for (let index = 0; index < prefix.length; index += 1) {
    const byte = prefix[index] ?? 0;
    length += (byte & 0x7f) * 2 ** (7 * index);
    if (byte >= 0x80) continue;
    const bytes = length > maxBytes ? undefined : file.read(offset + index + 1, length);
    return bytes?.length === length ? { bytes, end: offset + index + 1 + length } : undefined;
  }
  return undefined;
}

/** Two pointers to strings of Go, each a pointer to the bytes and a length, at addresses in memory. */
function readThroughPointers(file: TreeFile, elf: ElfHeaders, header: Uint8Array): GoBuildInfo | undefined {
  const wordBytes = header[14] === 8 ? 8 : 4;
  const layout = { wordBytes, littleEndian: ((header[15] ?? 0) & BIG_ENDIAN) === 0 } as const;
  const readString = (index: number, maxBytes: number): Uint8Array | undefined => {
    const address = nativeWord(header, 16 + index * wordBytes, layout);
    const descriptor = address === undefined ? undefined : readAddress(file, elf, address, 2 * wordBytes);
    if (descriptor === undefined) return undefined;
    const start = nativeWord(descriptor, 0, layout);
    const length = nativeWord(descriptor, wordBytes, layout);
    if (start === undefined || length === undefined || length > maxBytes) return undefined;
    return readAddress(file, elf, start, length);
  };
  const version = readString(0, MAX_VERSION_BYTES);
  const modules =
    nativeWord(header, 16 + wordBytes, layout) === 0 ? new Uint8Array() : readString(1, MAX_MODULES_BYTES);
  return version === undefined || modules === undefined ? undefined : buildInfo(version, modules);
}

function readAddress(file: TreeFile, elf: ElfHeaders, address: number, length: number): Uint8Array | undefined {
  const segment = elf.segments.find(
    (each) => each.type === PT_LOAD && address >= each.address && address + length <= each.address + each.size,
  );
  if (segment === undefined) return undefined;
  const bytes = file.read(segment.offset + address - segment.address, length);
  return bytes.length === length ? bytes : undefined;
}

/** The text of the modules lies between two marks of 16 bytes. */
function buildInfo(version: Uint8Array, modules: Uint8Array): GoBuildInfo {
  const decoder = new TextDecoder();
  const marked = modules.length >= 33 && modules[modules.length - 17] === 0x0a;
  return {
    goVersion: decoder.decode(version),
    modules: marked ? decoder.decode(modules.subarray(16, modules.length - 16)) : '',
  };
}

/** Parses the lines `mod`, `dep` and `=>` (replacement of the line before), with fields that tabs separate. */
export function parseGoModules(text: string): GoModules {
  let program = '';
  let main: GoModule | undefined;
  const dependencies: GoModule[] = [];
  let localModules = 0;
  for (const line of text.split('\n')) {
    const [kind, path = '', version = ''] = line.split('\t', 4);
    if (kind === 'path') program = path;
    else if (kind === 'mod') main = { path, version };
    else if (kind === 'dep') dependencies.push({ path, version });
    else if (kind === '=>' && dependencies.length > 0) {
      const replaced = dependencies.pop();
      if (version !== '' && version !== '(devel)') dependencies.push({ path, version });
      // v0.0.0 is how a repository names its own modules, which have no version apart from the main module.
      else if (replaced?.version !== 'v0.0.0') localModules += 1;
    }
  }
  return { program, ...(main !== undefined && { main }), dependencies, localModules };
}

/**
 * The release of Go in the form of its module versions: `go1.22.3 X:boringcrypto` is `1.22.3`, `go1.20` is `1.20.0`,
 * `go1.21rc2` is `1.21.0-rc.2`. Undefined for development versions.
 */
export function goRelease(goVersion: string): string | undefined {
  const match = /^go(\d{1,3})\.(\d{1,3})(?:\.(\d{1,3}))?(?:(beta|rc)(\d{1,3}))?(?![\w.])/.exec(goVersion);
  if (match === null) return undefined;
  const [, major = '', minor = '', patch = '0', stage, number = ''] = match;
  return `${major}.${minor}.${patch}${stage === undefined ? '' : `-${stage}.${number}`}`;
}
