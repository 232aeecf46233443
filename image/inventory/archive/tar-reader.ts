import { FileTreeError } from '../file-tree.ts';

/** One entry of a tar archive. */
export interface TarEntry {
  /** As the archive names it: relative or absolute, possibly with `..`. */
  readonly name: string;
  /** `sparse`: a file of GNU tar without its holes, whose content cannot be read here. `other`: FIFOs. */
  readonly kind: 'file' | 'directory' | 'symlink' | 'hardlink' | 'sparse' | 'device' | 'other';
  readonly sizeBytes: number;
  /** Permission bits, with setuid and setgid. */
  readonly mode: number;
  /** Where a link leads; empty for other entries. */
  readonly target: string;
  /** It carries an extended attribute of overlayfs: dockerd sets it, and the kernel then shows other files. */
  readonly hasOverlayAttributes: boolean;
}

/** Receives the content of one entry in pieces. */
export interface TarContent {
  readonly write: (bytes: Uint8Array) => void;
  readonly end: () => void;
}

/** Limits of one archive. Beyond them the reader throws `FileTreeError` (`too-large`). */
export interface TarLimits {
  readonly maxEntries: number;
  /** Bytes of one extended header: a path and a few attributes. */
  readonly maxHeaderBytes: number;
}

export const TAR_LIMITS: TarLimits = { maxEntries: 1_000_000, maxHeaderBytes: 1024 * 1024 };

const BLOCK = 512;
/** Type flags: POSIX ustar, pax, GNU. */
const KINDS: Readonly<Record<string, TarEntry['kind']>> = {
  '0': 'file',
  '\0': 'file',
  '7': 'file',
  '1': 'hardlink',
  '2': 'symlink',
  '3': 'device',
  '4': 'device',
  '5': 'directory',
};

/** Like devices, links and directories it has no content, whatever size its header says. */
const FIFO = '6';

/** What a pax header says about the next entry. Empty texts count as absent. */
interface PaxRecords {
  path?: string;
  linkpath?: string;
  size?: number;
  /** A sparse file of GNU tar: its content is not what it expands to. */
  isSparse?: boolean;
  sparseName?: string;
  hasOverlayAttributes?: boolean;
}

/** Extended attributes of overlayfs in pax records; those of `user` count where an engine runs without privileges. */
const OVERLAY_ATTRIBUTE = /^SCHILY\.xattr\.(?:trusted|user)\.overlay\./;

/** The headers before an entry that describe it. */
interface Extended {
  /** The last pax header; those before it do not count. */
  readonly pax?: PaxRecords;
  /** Names of GNU tar, which take precedence over those of pax. */
  readonly longName?: string;
  readonly longTarget?: string;
}

/**
 * Reads a tar archive (ustar, pax, GNU) that is written to it in pieces of any size. Nothing but one header is held in
 * memory. Throws `FileTreeError` for an archive that is damaged or exceeds a limit.
 *
 * Where programs disagree about an archive, it follows the package archive/tar of Go, with which Docker, containerd and
 * Podman unpack layers: an entry that they see under another name, or not at all, would hide a package.
 */
export class TarReader {
  readonly #onEntry: (entry: TarEntry) => TarContent | undefined;
  readonly #limits: TarLimits;
  readonly #block = new Uint8Array(BLOCK);
  #filled = 0;
  #entries = 0;
  #extended: Extended = {};
  #content: { readonly sink: TarContent | undefined; left: number } | undefined;
  #padding = 0;
  #isFinished = false;

  constructor(onEntry: (entry: TarEntry) => TarContent | undefined, limits: TarLimits = TAR_LIMITS) {
    this.#onEntry = onEntry;
    this.#limits = limits;
  }

  /** Bytes of content and padding that nobody wants: a reader of a file may seek over them and call `skip`. */
  get skippableBytes(): number {
    if (this.#content !== undefined) return this.#content.sink === undefined ? this.#content.left + this.#padding : 0;
    return this.#padding;
  }

  /** Takes bytes as read that `skippableBytes` allows. */
  skip(count: number): void {
    const fromContent = Math.min(count, this.#content?.left ?? 0);
    if (this.#content !== undefined) this.#content.left -= fromContent;
    this.#padding -= count - fromContent;
    if (this.#content?.left === 0) this.#content = undefined;
  }

  write(bytes: Uint8Array): void {
    let at = 0;
    while (at < bytes.length && !this.#isFinished) {
      if (this.#content !== undefined) {
        const take = Math.min(this.#content.left, bytes.length - at);
        this.#content.sink?.write(bytes.subarray(at, at + take));
        this.#content.left -= take;
        at += take;
        if (this.#content.left === 0) this.#endContent();
      } else if (this.#padding > 0) {
        const take = Math.min(this.#padding, bytes.length - at);
        this.#padding -= take;
        at += take;
      } else {
        const take = Math.min(BLOCK - this.#filled, bytes.length - at);
        this.#block.set(bytes.subarray(at, at + take), this.#filled);
        this.#filled += take;
        at += take;
        if (this.#filled === BLOCK) {
          this.#filled = 0;
          this.#header(this.#block);
        }
      }
    }
  }

  /** Throws where the archive ends within an entry. */
  end(): void {
    if (this.#content !== undefined || this.#filled > 0) throw damaged('it ends within an entry');
  }

  #endContent(): void {
    const { sink } = this.#content ?? {};
    this.#content = undefined;
    sink?.end();
  }

  #header(block: Uint8Array): void {
    if (block.every((byte) => byte === 0)) {
      // What follows the end mark is not part of the archive, for tar as well.
      this.#isFinished = true;
      return;
    }
    if (!hasChecksum(block)) throw damaged('a header has a wrong checksum');
    this.#entries += 1;
    if (this.#entries > this.#limits.maxEntries)
      throw new FileTreeError('too-large', `the archive has more than ${String(this.#limits.maxEntries)} entries`);
    const flag = String.fromCharCode(block[156] ?? 0);
    const size = numberOf(block.subarray(124, 136));
    if ('xgLK'.includes(flag)) return this.#extendedHeader(flag, size);
    const { pax = {}, longName, longTarget } = this.#extended;
    this.#extended = {};
    const prefix = prefixOf(block);
    const shortName = textOf(block.subarray(0, 100));
    const ownName = prefix === '' ? shortName : `${prefix}/${shortName}`;
    const isSparse = pax.isSparse === true || flag === 'S';
    const name = firstFilled(isSparse ? pax.sparseName : undefined, longName, pax.path, ownName);
    const kind = isSparse ? 'sparse' : kindOf(flag, name);
    const hasContent = kind === 'file' || kind === 'sparse' || (kind === 'other' && flag !== FIFO);
    const bytes = hasContent ? (pax.size ?? size) : 0;
    const sink = this.#onEntry({
      name,
      kind,
      sizeBytes: bytes,
      mode: numberOf(block.subarray(100, 108)) & 0o7777,
      target: firstFilled(longTarget, pax.linkpath, textOf(block.subarray(157, 257))),
      hasOverlayAttributes: pax.hasOverlayAttributes === true,
    });
    this.#expect(bytes, sink);
  }

  #expect(bytes: number, sink: TarContent | undefined): void {
    this.#padding = (BLOCK - (bytes % BLOCK)) % BLOCK;
    if (bytes > 0) this.#content = { sink, left: bytes };
    else sink?.end();
  }

  #extendedHeader(flag: string, size: number): void {
    if (size > this.#limits.maxHeaderBytes) throw new FileTreeError('too-large', 'an extended header is too large');
    const bytes = new Uint8Array(size);
    let filled = 0;
    const end = (): void => {
      if (flag === 'L') this.#extended = { ...this.#extended, longName: textOf(bytes) };
      else if (flag === 'K') this.#extended = { ...this.#extended, longTarget: textOf(bytes) };
      else if (flag === 'x') this.#extended = { ...this.#extended, pax: readPax(bytes) };
      // A global header (git writes one) names no entry. It is an entry of its own: what was said before is about it.
      else this.#extended = {};
    };
    this.#expect(size, {
      write: (piece) => {
        bytes.set(piece, filled);
        filled += piece.length;
      },
      end,
    });
  }
}

/** pax records: `LENGTH KEY=VALUE\n`, where the length counts the whole record. */
function readPax(bytes: Uint8Array): PaxRecords {
  const decoder = new TextDecoder();
  const records: PaxRecords = {};
  for (let at = 0; at < bytes.length;) {
    const blank = bytes.indexOf(0x20, at);
    const length = blank < 0 || blank - at > 10 ? Number.NaN : Number(decoder.decode(bytes.subarray(at, blank)));
    if (!Number.isSafeInteger(length) || length <= blank - at + 1 || at + length > bytes.length)
      throw damaged('an extended header has a wrong length');
    const record = bytes.subarray(blank + 1, at + length - 1);
    const equals = record.indexOf(0x3d);
    const key = decoder.decode(record.subarray(0, equals));
    const value = record.subarray(equals + 1);
    if (key === 'path') records.path = textOf(value);
    else if (key === 'linkpath') records.linkpath = textOf(value);
    else if (key === 'size') records.size = sizeOf(decoder.decode(value));
    else if (key === 'GNU.sparse.name') records.sparseName = textOf(value);
    if (key.startsWith('GNU.sparse.')) records.isSparse = true;
    if (OVERLAY_ATTRIBUTE.test(key)) records.hasOverlayAttributes = true;
    at += length;
  }
  return records;
}

/** The first text that is there and not empty; empty where there is none. */
function firstFilled(...texts: readonly (string | undefined)[]): string {
  return texts.find((text) => text !== undefined && text !== '') ?? '';
}

/** Archives older than POSIX, whose flag is zero, mark a directory by the slash at the end of its name only. */
function kindOf(flag: string, name: string): TarEntry['kind'] {
  return flag === '\0' && name.endsWith('/') ? 'directory' : (KINDS[flag] ?? 'other');
}

function sizeOf(text: string): number {
  const size = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(size)) throw damaged('a size is no number');
  return size;
}

function textOf(field: Uint8Array): string {
  const end = field.indexOf(0);
  return new TextDecoder().decode(end < 0 ? field : field.subarray(0, end));
}

/** Octal text between blanks and NULs, or big-endian binary where the first bit is set (GNU). */
function numberOf(field: Uint8Array): number {
  const value = parseNumber(field);
  if (value === undefined) throw damaged('a size is no number');
  return value;
}

function parseNumber(field: Uint8Array): number | undefined {
  const [first = 0] = field;
  if ((first & 0x80) !== 0) {
    let value = first & 0x7f;
    for (const byte of field.subarray(1)) value = value * 256 + byte;
    return (first & 0x40) !== 0 || !Number.isSafeInteger(value) ? undefined : value;
  }
  const start = field.findIndex((byte) => byte !== 0 && byte !== 0x20);
  const text = start < 0 ? '' : textOf(field.subarray(start)).trim();
  if (text === '') return 0;
  return /^[0-7]+$/.test(text) ? Number.parseInt(text, 8) : undefined;
}

/** The sum of all bytes with the field itself as blanks. */
function hasChecksum(block: Uint8Array): boolean {
  let sum = 8 * 0x20;
  for (let index = 0; index < BLOCK; index += 1) if (index < 148 || index >= 156) sum += block[index] ?? 0;
  const text = textOf(block.subarray(148, 156)).trim();
  return /^[0-7]+$/.test(text) && Number.parseInt(text, 8) === sum;
}

/** What stands before the name: 155 bytes of ustar, 131 of star. GNU tar has times in their place. */
function prefixOf(block: Uint8Array): string {
  const magic = new TextDecoder('latin1').decode(block.subarray(257, 265));
  if (magic.startsWith('ustar\0')) {
    const isStar = new TextDecoder('latin1').decode(block.subarray(508)) === 'tar\0';
    return textOf(block.subarray(345, isStar ? 476 : 500));
  }
  if (magic !== 'ustar  \0') return '';
  // Go before 1.8 wrote a prefix there all the same: then the times are no numbers.
  const times = [block.subarray(345, 357), block.subarray(357, 369)];
  return times.every((time) => time[0] === 0 || parseNumber(time) !== undefined)
    ? ''
    : textOf(block.subarray(345, 500));
}

function damaged(detail: string): FileTreeError {
  return new FileTreeError('damaged', `the archive is damaged: ${detail}`);
}
