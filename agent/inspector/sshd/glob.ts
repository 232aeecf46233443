import { fitsPattern } from '../../../posture/check/ssh/wildcard.ts';
import type { Host } from '../../host/host.ts';

/** Directories that are looked into for one pattern. */
const MAX_DIRECTORIES = 256;

/**
 * Paths that a pattern of glob(7) names: `*`, `?` and `[…]` within one component, hidden files only where the pattern
 * starts with a dot, in byte order. A pattern without these is the path itself, whether it exists or not. What ends in a
 * slash can only be a directory: it names no file. undefined: a directory cannot be read, or there are too many, so what
 * the pattern names is not known.
 */
export async function expandGlob(host: Host, pattern: string): Promise<readonly string[] | undefined> {
  let found: readonly string[] = [''];
  if (pattern.endsWith('/')) return [];
  const components = pattern.split('/').filter((component) => component !== '');
  for (const component of components) {
    if (!/[*?[]/.test(component)) {
      found = found.map((path) => `${path}/${component.replaceAll(/\\(.)/g, '$1')}`);
      continue;
    }
    const matches = componentMatcher(component);
    const next: string[] = [];
    if (found.length > MAX_DIRECTORIES) return undefined;
    for (const directory of found) {
      const listed = await host.list(directory === '' ? '/' : directory);
      if (!listed.ok && listed.code !== 'absent' && listed.code !== 'notRegular') return undefined;
      if (listed.ok) for (const name of listed.value) if (matches(name)) next.push(`${directory}/${name}`);
    }
    found = next;
  }
  return [...found].sort();
}

/** What stands for one character; a star stands for any number. */
type Piece = '*' | ((character: string) => boolean);

function componentMatcher(component: string): (name: string) => boolean {
  const pieces = piecesOf(component);
  const takesHidden = component.startsWith('.');
  return (name) =>
    (takesHidden || !name.startsWith('.')) &&
    fitsPattern(pieces, name, (piece, character) => piece !== '*' && piece(character));
}

function piecesOf(component: string): readonly Piece[] {
  const pieces: Piece[] = [];
  for (let index = 0; index < component.length; index += 1) {
    const character = component.charAt(index);
    const set = character === '[' ? readSet(component, index) : undefined;
    if (character === '*') pieces.push('*');
    else if (character === '?') pieces.push(() => true);
    else if (set !== undefined) {
      pieces.push(set.accepts);
      index = set.end;
    } else {
      const literal = character === '\\' && index + 1 < component.length ? component.charAt((index += 1)) : character;
      pieces.push((each) => each === literal);
    }
  }
  return pieces;
}

/** What stands for a class of characters, in the C locale. */
const CLASSES: Readonly<Record<string, RegExp>> = Object.freeze({
  alnum: /[a-z0-9]/i,
  alpha: /[a-z]/i,
  blank: /[ \t]/,
  // eslint-disable-next-line no-control-regex
  cntrl: /[\x00-\x1f\x7f]/,
  digit: /[0-9]/,
  graph: /[!-~]/,
  lower: /[a-z]/,
  print: /[ -~]/,
  punct: /[!-/:-@[-`{-~]/,
  space: /[ \t-\r]/,
  upper: /[A-Z]/,
  xdigit: /[0-9a-f]/i,
});

/**
 * A bracket expression from its `[` on: single characters, ranges, `[:class:]`, negated by `!` or `^`; a bracket right
 * behind the opening one is an ordinary character. undefined: it is not closed, so the `[` is an ordinary character.
 */
function readSet(
  text: string,
  start: number,
): { readonly accepts: (character: string) => boolean; readonly end: number } | undefined {
  const isNegated = text[start + 1] === '!' || text[start + 1] === '^';
  const first = start + (isNegated ? 2 : 1);
  const members: ((character: string) => boolean)[] = [];
  for (let index = first; index < text.length; index += 1) {
    if (text[index] === ']' && index > first)
      return { accepts: (each) => members.some((member) => member(each)) !== isNegated, end: index };
    const [name] = /^\[:([a-z]+):\]/.exec(text.slice(index))?.slice(1) ?? [];
    if (name !== undefined) {
      members.push((each) => CLASSES[name]?.test(each) === true);
      index += name.length + 3;
      continue;
    }
    if (text[index] === '\\' && index + 1 < text.length) index += 1;
    const low = text.charAt(index);
    const isRange = text[index + 1] === '-' && index + 2 < text.length && text[index + 2] !== ']';
    const high = isRange ? text.charAt(index + 2) : low;
    members.push((each) => each >= low && each <= high);
    if (isRange) index += 2;
  }
  return undefined;
}
