import { FileTreeError } from '../file-tree.ts';

/** One entry of a tar archive. */
export interface TarEntry {
  /** As the archive names it: relative or absolute, possibly with `..`. */
  readonly name: string;
  /** `sparse`: a file of GNU tar without its holes, whose content cannot be read here. `other`: devices and FIFOs. */
  readonly kind: 'file' | 'directory' | 'symlink' | 'hardlink' | 'sparse' | 'other';
  readonly sizeBytes: number;
  /** Permission bits, with setuid and setgid. */
  readonly mode: number;
  /** Where a link leads; empty for other entries. */
  readonly target: string;
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
  '5': 'directory',
};

/** What extended headers say about the next entry. */
interface Extended {
  path?: string;
  linkpath?: string;
  size?: number;
  /** A sparse file of GNU tar: its content is not what it expands to. */
  isSparse?: boolean;
  sparseName?: string;
}

/**
 * Reads a tar archive (ustar, pax, GNU) that is written to it in pieces of any size. Nothing but one header is held in
 * memory. Throws `FileTreeError` for an archive that is damaged or exceeds a limit.
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
    const extended = this.#extended;
    this.#extended = {};
    const prefix = isUstar(block) ? textOf(block.subarray(345, 500)) : '';
    const shortName = textOf(block.subarray(0, 100));
    const name = extended.sparseName ?? extended.path ?? (prefix === '' ? shortName : `${prefix}/${shortName}`);
    const kind = extended.isSparse === true || flag === 'S' ? 'sparse' : kindOf(flag, name);
    // Links and directories have no content, whatever size their header says; as GNU tar and Go read them.
    const hasContent = kind === 'file' || kind === 'sparse' || kind === 'other';
    const bytes = hasContent ? (extended.size ?? size) : 0;
    const sink = this.#onEntry({
      name,
      kind,
      sizeBytes: bytes,
      mode: numberOf(block.subarray(100, 108)) & 0o7777,
      target: extended.linkpath ?? textOf(block.subarray(157, 257)),
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
      if (flag === 'L') this.#extended.path = textOf(bytes);
      else if (flag === 'K') this.#extended.linkpath = textOf(bytes);
      // Global headers (git writes them) name no entry: attributes such as a path would hold for all of them.
      else if (flag === 'x') readPax(bytes, this.#extended);
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
function readPax(bytes: Uint8Array, extended: Extended): void {
  const decoder = new TextDecoder();
  for (let at = 0; at < bytes.length;) {
    const blank = bytes.indexOf(0x20, at);
    const length = blank < 0 || blank - at > 10 ? Number.NaN : Number(decoder.decode(bytes.subarray(at, blank)));
    if (!Number.isSafeInteger(length) || length <= blank - at + 1 || at + length > bytes.length)
      throw damaged('an extended header has a wrong length');
    const record = bytes.subarray(blank + 1, at + length - 1);
    const equals = record.indexOf(0x3d);
    const key = decoder.decode(record.subarray(0, equals));
    const value = record.subarray(equals + 1);
    if (key === 'path') extended.path = textOf(value);
    else if (key === 'linkpath') extended.linkpath = textOf(value);
    else if (key === 'size') extended.size = sizeOf(decoder.decode(value));
    else if (key === 'GNU.sparse.name') extended.sparseName = textOf(value);
    if (key.startsWith('GNU.sparse.')) extended.isSparse = true;
    at += length;
  }
}

/** Archives older than POSIX mark a directory by the slash at the end of its name only. */
function kindOf(flag: string, name: string): TarEntry['kind'] {
  const kind = KINDS[flag] ?? 'other';
  return kind === 'file' && name.endsWith('/') ? 'directory' : kind;
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

/** Octal text, or big-endian binary where the first bit is set (GNU). */
function numberOf(field: Uint8Array): number {
  const [first = 0] = field;
  if ((first & 0x80) !== 0) {
    let value = first & 0x7f;
    for (const byte of field.subarray(1)) value = value * 256 + byte;
    if ((first & 0x40) !== 0 || !Number.isSafeInteger(value)) throw damaged('a size is no number');
    return value;
  }
  const text = textOf(field).trim();
  if (text === '') return 0;
  if (!/^[0-7]+$/.test(text)) throw damaged('a size is no number');
  return Number.parseInt(text, 8);
}

/** The sum of all bytes with the field itself as blanks. */
function hasChecksum(block: Uint8Array): boolean {
  let sum = 8 * 0x20;
  for (let index = 0; index < BLOCK; index += 1) if (index < 148 || index >= 156) sum += block[index] ?? 0;
  const text = textOf(block.subarray(148, 156)).trim();
  return /^[0-7]+$/.test(text) && Number.parseInt(text, 8) === sum;
}

function isUstar(block: Uint8Array): boolean {
  // GNU archives (`ustar  `) use the field of the prefix for times.
  return textOf(block.subarray(257, 263)) === 'ustar' && block[263] === 0x30;
}

function damaged(detail: string): FileTreeError {
  return new FileTreeError('damaged', `the archive is damaged: ${detail}`);
}
