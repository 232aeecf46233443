import type { FactField } from '../../api/fact.ts';
import { MACROS, placeOfCaret } from './caret.ts';
import type { CaretPlace, Variables } from './caret.ts';
import { itemPath, lastName } from './fact-index.ts';
import type { FactIndex } from './fact-index.ts';

/** One thing that could be written. */
export interface Suggestion {
  /** What is listed. */
  readonly label: string;
  /** What is written instead of the prefix. */
  readonly insert: string;
  /** Its type, or what it is. */
  readonly detail: string;
  readonly description: string;
}

/** What could be written at the caret, instead of `text.slice(from, caret)`. */
export interface Suggestions {
  readonly from: number;
  readonly prefix: string;
  readonly items: readonly Suggestion[];
  /** False: any name could begin here, so they show only when somebody asks. */
  readonly isWanted: boolean;
}

/** Suggestions that are listed. */
const MAX_SUGGESTIONS = 60;

/** What could be written at the caret; undefined where there is nothing to suggest. */
export function suggest(text: string, caret: number, index: FactIndex): Suggestions | undefined {
  const place = placeOfCaret(text.slice(0, caret), index);
  if (place === undefined) return undefined;
  const items = best(candidates(place, index), place.prefix);
  const [only] = items;
  // What is already written whole is no suggestion.
  if (only === undefined || (items.length === 1 && only.insert === place.prefix)) return undefined;
  return { from: place.from, prefix: place.prefix, items, isWanted: place.kind !== 'name' || place.prefix !== '' };
}

/** The text after a suggestion was taken, and the position of the caret. */
export function accept(
  text: string,
  caret: number,
  { from }: Pick<Suggestions, 'from'>,
  { insert }: Pick<Suggestion, 'insert'>,
): { readonly text: string; readonly caret: number } {
  return { text: text.slice(0, from) + insert + text.slice(caret), caret: from + insert.length };
}

function candidates(place: CaretPlace, index: FactIndex): readonly Suggestion[] {
  switch (place.kind) {
    case 'word':
      return wordsOf(index.field(place.path)?.type ?? '').map((word) => ({
        label: word,
        insert: `${word}"`,
        detail: 'word',
        description: `of ${lastName(place.path)}`,
      }));
    case 'member':
      return place.path === undefined
        ? []
        : [...index.children(place.path).map(fieldSuggestion), ...methods(place.path, index, place.variables)];
    case 'name':
      return [
        ...[...place.variables].map(([name, path]) => variableSuggestion(name, path, index)),
        ...index.children('').map(fieldSuggestion),
        ...FUNCTIONS,
      ];
  }
}

/** Words that start with the prefix, then words that hold it; as they came otherwise. */
function best(all: readonly Suggestion[], prefix: string): readonly Suggestion[] {
  const wanted = prefix.toLowerCase();
  const starting = all.filter(({ label }) => label.toLowerCase().startsWith(wanted));
  const holding = all.filter((one) => !starting.includes(one) && one.label.toLowerCase().includes(wanted));
  return [...starting, ...(wanted === '' ? [] : holding)].slice(0, MAX_SUGGESTIONS);
}

function fieldSuggestion({ path, type, description }: FactField): Suggestion {
  const name = lastName(path);
  return { label: name, insert: name, detail: type, description };
}

function variableSuggestion(name: string, path: string | undefined, index: FactIndex): Suggestion {
  const type = path === undefined ? '' : (index.field(path)?.type ?? 'object');
  const list = path?.replace(/\[[^\]]*\]$/, '') ?? '';
  return { label: name, insert: name, detail: type, description: list === '' ? 'variable' : `one of ${list}` };
}

/** Methods by what they are called on. A macro brings its variable along. */
function methods(path: string, index: FactIndex, variables: Variables): readonly Suggestion[] {
  const type = index.field(path)?.type ?? '';
  if (itemPath(index, path) !== undefined) {
    const variable = freeVariable(path, variables);
    return [
      ...MACROS.map((name) => ({
        label: name,
        insert: `${name}(${variable}, `,
        detail: 'for each item',
        description: MACRO_MEANINGS[name] ?? '',
      })),
      SIZE,
    ];
  }
  return /^(string|")/.test(type) ? STRING_METHODS : [];
}

const MACRO_MEANINGS: Readonly<Record<string, string>> = Object.freeze({
  filter: 'the items for which it is true',
  map: 'what each item becomes',
  all: 'is it true for every item',
  exists: 'is it true for one item at least',
  exists_one: 'is it true for exactly one item',
});

const SIZE: Suggestion = Object.freeze({ label: 'size', insert: 'size()', detail: 'int', description: 'how many' });

const STRING_METHODS: readonly Suggestion[] = Object.freeze([
  { label: 'contains', insert: 'contains("', detail: 'bool', description: 'holds a text' },
  { label: 'startsWith', insert: 'startsWith("', detail: 'bool', description: 'starts with a text' },
  { label: 'endsWith', insert: 'endsWith("', detail: 'bool', description: 'ends with a text' },
  { label: 'matches', insert: 'matches("', detail: 'bool', description: 'matches a regular expression' },
  { label: 'size', insert: 'size()', detail: 'int', description: 'how many characters' },
]);

const FUNCTIONS: readonly Suggestion[] = Object.freeze([
  { label: 'size', insert: 'size(', detail: 'function', description: 'length of a text, a list or a map' },
  { label: 'has', insert: 'has(', detail: 'function', description: 'is a field there' },
  { label: 'true', insert: 'true', detail: 'bool', description: '' },
  { label: 'false', insert: 'false', detail: 'bool', description: '' },
  { label: 'null', insert: 'null', detail: 'null', description: 'what is not there' },
]);

/** The words of a type such as `"none" | "integrity" | null`. */
function wordsOf(type: string): readonly string[] {
  return [...type.matchAll(/"([^"]*)"/g)].map(([, word]) => word ?? '');
}

/** A short name that no macro around it uses: `c` for containers. */
function freeVariable(path: string, variables: Variables): string {
  const first = lastName(path).charAt(0).toLowerCase();
  const names = [first, `${first}2`, `${first}3`, 'item'];
  return names.find((name) => /^[a-z]/.test(name) && !variables.has(name)) ?? 'item';
}
