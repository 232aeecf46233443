import { FileTreeError } from '../file-tree.ts';
import type { TreeFile } from '../file-tree.ts';

/** The largest text database that is read: dpkg's status of 5,000 packages has 6 MiB. */
const MAX_BYTES = 128 * 1024 * 1024;
const MAX_LINE_BYTES = 1024 * 1024;
const CHUNK_BYTES = 1024 * 1024;
const NEWLINE = 0x0a;

/**
 * The lines of a text file, without the line feed, read in pieces. Throws `FileTreeError` where the file or one line is
 * too large.
 */
export function* readLines(file: TreeFile): Generator<string> {
  if (file.sizeBytes > MAX_BYTES)
    throw new FileTreeError('too-large', `not read: larger than ${String(MAX_BYTES / 1024 ** 2)} MiB`);
  const decoder = new TextDecoder();
  let rest: Uint8Array = new Uint8Array(0);
  for (let offset = 0; offset < MAX_BYTES;) {
    const chunk = file.read(offset, CHUNK_BYTES);
    if (chunk.length === 0) break;
    offset += chunk.length;
    const end = chunk.lastIndexOf(NEWLINE);
    if (rest.length + chunk.length > MAX_LINE_BYTES + CHUNK_BYTES)
      throw new FileTreeError('damaged', 'damaged: a line is longer than 1 MiB');
    if (end < 0) {
      rest = concat(rest, chunk);
      continue;
    }
    yield* decoder.decode(concat(rest, chunk.subarray(0, end))).split('\n');
    rest = chunk.subarray(end + 1);
  }
  if (rest.length > 0) yield decoder.decode(rest);
}

function concat(first: Uint8Array, second: Uint8Array): Uint8Array {
  if (first.length === 0) return second;
  const both = new Uint8Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}

/** Longest name or version that is believed; the longest of Debian has 106 characters. */
const MAX_WORD_LENGTH = 256;

/** Whether a text may be a name, version or architecture of an OS package: printable ASCII without spaces. */
export function isWord(text: string | undefined): text is string {
  return text !== undefined && text.length <= MAX_WORD_LENGTH && /^[\x21-\x7E]+$/.test(text);
}

/** Free text of a database such as a maintainer: bounded, without control characters. */
export function cleanText(text: string | undefined): string | undefined {
  // eslint-disable-next-line no-control-regex
  const cleaned = text
    ?.slice(0, MAX_WORD_LENGTH)
    .replaceAll(/[\p{Cc}\p{Cf}]/gu, ' ')
    .trim();
  return cleaned === undefined || cleaned === '' ? undefined : cleaned;
}
