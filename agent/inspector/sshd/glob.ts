import { fitsPattern } from '../../../posture/check/ssh/wildcard.ts';
import type { Host } from '../../host/host.ts';

/** Directories that are looked into for one pattern. */
const MAX_DIRECTORIES = 256;

/**
 * Paths that a pattern of glob(7) names: `*`, `?` and `[…]` within one component, hidden files only where the pattern
 * starts with a dot, in byte order. A pattern without these is the path itself, whether it exists or not. undefined:
 * a directory cannot be read, or there are too many, so what the pattern names is not known.
 */
export async function expandGlob(host: Host, pattern: string): Promise<readonly string[] | undefined> {
  let found: readonly string[] = [''];
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
    const isNegated = component[index + 1] === '!' || component[index + 1] === '^';
    // A bracket right behind the opening one stands for itself.
    const close = character === '[' ? component.indexOf(']', index + (isNegated ? 3 : 2)) : -1;
    if (character === '*') pieces.push('*');
    else if (character === '?') pieces.push(() => true);
    else if (close !== -1) {
      const set = component.slice(index + (isNegated ? 2 : 1), close);
      pieces.push((each) => isInSet(set, each) !== isNegated);
      index = close;
    } else {
      const literal = character === '\\' && index + 1 < component.length ? component.charAt((index += 1)) : character;
      pieces.push((each) => each === literal);
    }
  }
  return pieces;
}

/** `a-z_`: ranges and single characters. */
function isInSet(set: string, character: string): boolean {
  for (let index = 0; index < set.length; index += 1) {
    const first = set.charAt(index);
    const isRange = set[index + 1] === '-' && index + 2 < set.length;
    const last = isRange ? set.charAt(index + 2) : first;
    if (character >= first && character <= last) return true;
    if (isRange) index += 2;
  }
  return false;
}
