/** Code points that take no cell: combining marks and format characters (general categories Mn, Me, Cf). */
const ZERO_WIDTH = /^[\p{Mn}\p{Me}\p{Cf}]$/u;
/** Shown as a picture of two cells by default. */
const PICTURE = /^\p{Emoji_Presentation}$/u;

/** Blocks whose East Asian Width is W or F (Unicode 16, UAX #11), as pairs of first and last code point. */
const WIDE_BLOCKS: readonly (readonly [number, number])[] = [
  [0x1100, 0x115f],
  [0x2329, 0x232a],
  [0x2e80, 0x303e],
  [0x3041, 0x33ff],
  [0x3400, 0x4dbf],
  [0x4e00, 0xa4c6],
  [0xa960, 0xa97c],
  [0xac00, 0xd7a3],
  [0xf900, 0xfaff],
  [0xfe10, 0xfe19],
  [0xfe30, 0xfe6b],
  [0xff01, 0xff60],
  [0xffe0, 0xffe6],
  [0x16fe0, 0x18d08],
  [0x1aff0, 0x1b2fb],
  [0x1f200, 0x1f265],
  [0x20000, 0x3fffd],
];

// oxlint-disable-next-line no-control-regex -- all of ASCII
const ASCII = /^[\u0000-\u007f]*$/;

/** How many cells of a terminal `text` takes. `text` has no control characters. */
export function displayWidth(text: string): number {
  if (ASCII.test(text)) return text.length;
  let width = 0;
  for (const character of text) width += characterWidth(character);
  return width;
}

/** `text` in at most `width` cells; what does not fit is cut, and `…` says so. */
export function fit(text: string, width: number): string {
  if (displayWidth(text) <= width) return text;
  if (width < 1) return '';
  let taken = 0;
  let cut = '';
  for (const character of text) {
    taken += characterWidth(character);
    if (taken > width - 1) break;
    cut += character;
  }
  return `${cut.trimEnd()}…`;
}

/** `text` filled with spaces to `width` cells, on its right or, for numbers, on its left. */
export function pad(text: string, width: number, align: 'left' | 'right' = 'left'): string {
  const filling = ' '.repeat(Math.max(0, width - displayWidth(text)));
  return align === 'left' ? text + filling : filling + text;
}

/** Words of `text` in lines of at most `width` cells. A longer word gets a line of its own, uncut: a URL stays whole. */
export function wrap(text: string, width: number): readonly string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(/\s+/).filter((part) => part !== '')) {
    const longer = line === '' ? word : `${line} ${word}`;
    if (line !== '' && displayWidth(longer) > width) {
      lines.push(line);
      line = word;
    } else line = longer;
  }
  if (line !== '') lines.push(line);
  return lines;
}

/** As {@link wrap}, but a longer word is broken too: for text from outside, which must not leave its column. */
export function wrapHard(text: string, width: number): readonly string[] {
  return wrap(text, width).flatMap((line) => {
    const pieces: string[] = [];
    for (let rest = line; rest !== '';) {
      const piece = takeCells(rest, width);
      pieces.push(piece);
      rest = rest.slice(piece.length);
    }
    return pieces;
  });
}

/** The beginning of `text` that fits into `width` cells; at least one character, so that a loop gets on. */
function takeCells(text: string, width: number): string {
  let taken = 0;
  let part = '';
  for (const character of text) {
    taken += characterWidth(character);
    if (taken > width && part !== '') break;
    part += character;
  }
  return part;
}

function characterWidth(character: string): number {
  const code = character.codePointAt(0) ?? 0;
  if (code < 0x300) return 1;
  if (ZERO_WIDTH.test(character)) return 0;
  return isWide(code) || PICTURE.test(character) ? 2 : 1;
}

function isWide(code: number): boolean {
  return code >= 0x1100 && WIDE_BLOCKS.some(([first, last]) => code >= first && code <= last);
}
