import { isUtf8 } from 'node:buffer';

/** A path as the kernel takes it: a string, or bytes where the name is not UTF-8. */
export type NativePath = string | Buffer;

/**
 * A name from the kernel as a string. A byte that is not part of valid UTF-8 becomes the lone surrogate U+DC00 + byte
 * (the surrogateescape of Python's PEP 383), so that a file with such a name is seen and can be asked for.
 */
export function nameFromBytes(bytes: Buffer): string {
  if (isUtf8(bytes)) return bytes.toString('utf8');
  let name = '';
  for (let at = 0; at < bytes.length;) {
    const length = sequenceLength(bytes[at] ?? 0);
    const sequence = bytes.subarray(at, at + length);
    if (sequence.length === length && isUtf8(sequence)) {
      name += sequence.toString('utf8');
      at += length;
    } else {
      name += String.fromCharCode(0xdc00 + (bytes[at] ?? 0));
      at += 1;
    }
  }
  return name;
}

/** The reverse of {@link nameFromBytes} for a whole path. */
export function pathToNative(path: string): NativePath {
  if (path.isWellFormed()) return path;
  const parts: Buffer[] = [];
  for (const character of path) {
    const code = character.codePointAt(0) ?? 0;
    parts.push(code >= 0xdc80 && code <= 0xdcff ? Buffer.of(code - 0xdc00) : Buffer.from(character, 'utf8'));
  }
  return Buffer.concat(parts);
}

// Length of a UTF-8 sequence by its first byte (RFC 3629 section 3); 1 where it cannot start one.
function sequenceLength(first: number): number {
  if (first >= 0xf0) return 4;
  if (first >= 0xe0) return 3;
  return first >= 0xc0 ? 2 : 1;
}
