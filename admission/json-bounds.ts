/** What a JSON document may hold. */
export interface JsonBounds {
  /** Lists and objects within each other. */
  readonly depth: number;
  /** Members of objects and items of lists, all together. */
  readonly values: number;
}

const [QUOTE, BACKSLASH, COMMA] = [0x22, 0x5c, 0x2c];
const [OPEN_LIST, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT] = [0x5b, 0x5d, 0x7b, 0x7d];

/**
 * Whether a document stays within the bounds, found without parsing it: parsing costs up to a hundred times as much for
 * each byte, depending on what the sender chooses. Of bytes that are not JSON the result means nothing.
 */
export function isWithin(bytes: Uint8Array, { depth: maxDepth, values: maxValues }: JsonBounds): boolean {
  let [depth, values, isString] = [0, 0, false];
  for (let at = 0; at < bytes.length; at += 1) {
    const byte = bytes[at];
    if (isString) {
      if (byte === BACKSLASH) at += 1;
      else if (byte === QUOTE) isString = false;
      continue;
    }
    if (byte === QUOTE) isString = true;
    else if (byte === COMMA) values += 1;
    else if (byte === CLOSE_LIST || byte === CLOSE_OBJECT) depth -= 1;
    else if (byte === OPEN_LIST || byte === OPEN_OBJECT) {
      depth += 1;
      values += 1;
    }
    if (depth > maxDepth || values > maxValues) return false;
  }
  return true;
}
