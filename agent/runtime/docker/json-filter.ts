/** Decides by its name whether a field is kept. `depth`: objects around the field, 1 for a field of the outermost one. */
export type FieldFilter = (depth: number, name: string) => boolean;

/** Takes JSON text in parts, and returns what is left of each. */
export interface JsonFilter {
  readonly push: (part: Buffer) => Buffer;
}

/** Longer names are not kept; neither are those that are written with escapes. */
const MAX_NAME_BYTES = 64;
/** Deeper values are dropped: no answer of an engine nests so deep. */
const MAX_DEPTH = 64;

const [QUOTE, BACKSLASH, COMMA, LETTER_U] = [0x22, 0x5c, 0x2c, 0x75];
const [OPEN_OBJECT, CLOSE_OBJECT, OPEN_LIST, CLOSE_LIST] = [0x7b, 0x7d, 0x5b, 0x5d];

/** An object or list around the present position, as far as it is kept. */
interface Frame {
  readonly isObject: boolean;
  hasFields: boolean;
}

/**
 * Drops fields from JSON text (RFC 8259) without holding it: what a field says may be larger than the memory that there
 * is for it. One text may follow on another. Text that is not JSON leaves as something else that is not JSON, or as
 * less than it was; it is for the reader to parse what is left. Strings that are kept are cut to about `maxStringBytes`.
 */
export function createJsonFilter(isKept: FieldFilter, maxStringBytes = Infinity): JsonFilter {
  const frames: Frame[] = [];
  let objects = 0;
  let inString = false;
  let isEscaped = false;
  /** Digits of `\\uXXXX` that are still to come. */
  let digitsLeft = 0;
  let stringBytes = 0;
  /** The rest of the string is dropped. */
  let isCut = false;
  /** Bytes of the name that is being read; undefined: none is. */
  let name: number[] | undefined;
  /** Objects and lists that are open in the value that is dropped; -1: nothing is dropped. */
  let dropped = -1;
  let isKeyNext = false;

  const open = (isObject: boolean): void => {
    frames.push({ isObject, hasFields: false });
    if (isObject) objects += 1;
    isKeyNext = isObject;
  };
  const close = (): void => {
    if (frames.pop()?.isObject === true) objects -= 1;
    isKeyNext = false;
  };
  /** A name has ended: what stands for it in the result. */
  const endName = (bytes: readonly number[]): string => {
    const text = Buffer.from(bytes).toString('utf8');
    const frame = frames.at(-1);
    if (frame === undefined || bytes.length > MAX_NAME_BYTES || text.includes('\\') || !isKept(objects, text)) {
      dropped = 0;
      return '';
    }
    const separator = frame.hasFields ? ',' : '';
    frame.hasFields = true;
    return `${separator}"${text}"`;
  };

  const push = (part: Buffer): Buffer => {
    const kept: Buffer[] = [];
    /** Where the bytes begin that are kept as they are; -1: none. */
    let from = dropped === -1 && name === undefined && !isKeyNext && !isCut ? 0 : -1;
    const keepUntil = (end: number): void => {
      if (from !== -1 && end > from) kept.push(part.subarray(from, end));
      from = -1;
    };
    for (let index = 0; index < part.length; index += 1) {
      const byte = part[index] as number;
      if (inString) {
        const isCharacter = !isEscaped && digitsLeft === 0 && (byte & 0xc0) !== 0x80;
        if (isCharacter && !isCut && from !== -1 && stringBytes >= maxStringBytes) {
          keepUntil(index);
          isCut = true;
        }
        stringBytes += 1;
        if (digitsLeft > 0) digitsLeft -= 1;
        else if (isEscaped) [isEscaped, digitsLeft] = [false, byte === LETTER_U ? 4 : 0];
        else if (byte === BACKSLASH) isEscaped = true;
        else if (byte === QUOTE) {
          inString = false;
          if (isCut) [from, isCut] = [index, false];
        }
        if (name === undefined) continue;
        if (inString) {
          if (name.length <= MAX_NAME_BYTES) name.push(byte);
          continue;
        }
        kept.push(Buffer.from(endName(name)));
        name = undefined;
        if (dropped === -1) from = index + 1;
        continue;
      }
      if (byte === QUOTE) {
        [inString, stringBytes] = [true, 0];
        if (isKeyNext) [name, isKeyNext] = [[], false];
      } else if (dropped > 0) {
        if (byte === OPEN_OBJECT || byte === OPEN_LIST) dropped += 1;
        else if (byte === CLOSE_OBJECT || byte === CLOSE_LIST) dropped -= 1;
      } else if (byte === OPEN_OBJECT || byte === OPEN_LIST) {
        if (dropped === 0) dropped = 1;
        else if (frames.length >= MAX_DEPTH) {
          keepUntil(index);
          kept.push(Buffer.from('null'));
          dropped = 1;
        } else {
          open(byte === OPEN_OBJECT);
          if (isKeyNext) keepUntil(index + 1);
        }
      } else if (byte === CLOSE_OBJECT || byte === CLOSE_LIST) {
        close();
        dropped = -1;
        if (from === -1) from = index;
      } else if (byte === COMMA) {
        const isInObject = frames.at(-1)?.isObject === true;
        if (isInObject) {
          keepUntil(index);
          [isKeyNext, dropped] = [true, -1];
        } else if (dropped === 0) [from, dropped] = [index, -1];
      }
    }
    keepUntil(part.length);
    return Buffer.concat(kept);
  };
  return { push };
}
