import type { Budget } from '../budget.ts';
import { QueryError } from '../query-error.ts';
import { define, spendText } from './definition.ts';
import type { FunctionDefinition } from './definition.ts';
import { formatText } from './format.ts';

/** The characters of a text: code points, not UTF-16 units. */
function characters(text: string, budget: Budget): readonly string[] {
  budget.spendItems(text.length);
  return Array.from(text);
}

/** How many code points a text has. */
export function countCharacters(text: string): number {
  let count = text.length;
  for (let at = 0; at + 1 < text.length; at += 1)
    if (isSurrogatePair(text, at)) {
      count -= 1;
      at += 1;
    }
  return count;
}

function isSurrogatePair(text: string, at: number): boolean {
  return (text.charCodeAt(at) & 0xfc00) === 0xd800 && (text.charCodeAt(at + 1) & 0xfc00) === 0xdc00;
}

function within(index: bigint, length: number): number {
  if (index < 0n || index > BigInt(length)) throw new QueryError(`the index ${String(index)} is out of range`);
  return Number(index);
}

function charAt(text: string, index: bigint, budget: Budget): string {
  const letters = characters(text, budget);
  return letters[within(index, letters.length)] ?? '';
}

/** Where `part` begins at or behind `from`, counted in code points; -1 where it does not. */
function indexOf(text: string, part: string, from: bigint | Budget, budget?: Budget): bigint {
  const spent = budget ?? (from as Budget);
  const letters = characters(text, spent);
  const start = within(typeof from === 'bigint' ? from : 0n, letters.length);
  const found = text.indexOf(part, letters.slice(0, start).join('').length);
  return found < 0 ? -1n : BigInt(countCharacters(text.slice(0, found)));
}

function lastIndexOf(text: string, part: string, to: bigint | Budget, budget?: Budget): bigint {
  const spent = budget ?? (to as Budget);
  const letters = characters(text, spent);
  const end = within(typeof to === 'bigint' ? to : BigInt(letters.length), letters.length);
  const found = text.lastIndexOf(part, letters.slice(0, end).join('').length);
  return found < 0 ? -1n : BigInt(countCharacters(text.slice(0, found)));
}

function substring(text: string, start: bigint, end: bigint | Budget, budget?: Budget): string {
  const letters = characters(text, budget ?? (end as Budget));
  const to = typeof end === 'bigint' ? within(end, letters.length) : letters.length;
  if (start > BigInt(to)) throw new QueryError('a substring ends before it starts');
  return letters.slice(within(start, letters.length), to).join('');
}

/** Replaces the first `limit` occurrences, or all where it is negative or not given. */
function replace(text: string, part: string, by: string, limit: bigint | Budget, budget?: Budget): string {
  const spent = budget ?? (limit as Budget);
  const pieces = split(text, part, typeof limit === 'bigint' && limit >= 0n ? limit + 1n : -1n, spent);
  spent.spendString(text.length + pieces.length * by.length);
  if (part !== '') return pieces.join(by);
  // An empty part is found before each character and at the end.
  const count = typeof limit === 'bigint' && limit >= 0n ? Math.min(Number(limit), text.length + 1) : Infinity;
  const letters = characters(text, spent);
  const head = letters.slice(0, Math.min(count, letters.length)).map((letter) => by + letter);
  return head.join('') + letters.slice(head.length).join('') + (count > letters.length ? by : '');
}

/** Go's `strings.SplitN`: at most `limit` parts, all where it is negative or not given. */
function split(text: string, separator: string, limit: bigint | Budget, budget?: Budget): readonly string[] {
  const spent = budget ?? (limit as Budget);
  const most = typeof limit === 'bigint' && limit >= 0n ? Number(limit) : Infinity;
  if (most === 0) return [];
  const parts = separator === '' ? characters(text, spent) : text.split(separator);
  spent.spendItems(parts.length);
  if (parts.length <= most) return parts;
  return [...parts.slice(0, most - 1), parts.slice(most - 1).join(separator)];
}

/** `White_Space` of Unicode. */
const SPACE = /^\p{White_Space}$/u;

function trim(text: string, budget: Budget): string {
  spendText(budget, text);
  let start = 0;
  let end = text.length;
  while (start < end && SPACE.test(text.charAt(start))) start += 1;
  while (end > start && SPACE.test(text.charAt(end - 1))) end -= 1;
  return text.slice(start, end);
}

function join(parts: readonly unknown[], separator: string | Budget, budget?: Budget): string {
  const between = typeof separator === 'string' ? separator : '';
  let length = 0;
  for (const part of parts) {
    if (typeof part !== 'string') throw new QueryError('join takes a list of strings');
    length += part.length + between.length;
  }
  (budget ?? (separator as Budget)).spendString(length);
  return parts.join(between);
}

const QUOTED: Readonly<Record<string, string>> = {
  '\u0007': String.raw`\a`,
  '\b': String.raw`\b`,
  '\f': String.raw`\f`,
  '\n': String.raw`\n`,
  '\r': String.raw`\r`,
  '\t': String.raw`\t`,
  '\v': String.raw`\v`,
  '\\': String.raw`\\`,
  '"': String.raw`\"`,
};

function quote(text: string, budget: Budget): string {
  budget.spendString(text.length * 2 + 2);
  // oxlint-disable-next-line no-control-regex
  return `"${text.toWellFormed().replaceAll(/[\u0007\b\f\n\r\t\v\\"]/g, (letter) => QUOTED[letter] ?? letter)}"`;
}

function ascii(change: (text: string) => string, letters: RegExp) {
  return (text: string, budget: Budget): string => {
    spendText(budget, text);
    return text.replaceAll(letters, change);
  };
}

function searched(search: (text: string, part: string) => boolean) {
  return (text: string, part: string, budget: Budget): boolean => {
    spendText(budget, text);
    return search(text, part);
  };
}

function reverse(text: string, budget: Budget): string {
  return characters(text, budget).toReversed().join('');
}

/** Functions on text: those of CEL, and the names of the `strings` extension of cel-go. */
export const STRING_FUNCTIONS: readonly FunctionDefinition[] = [
  define(
    'contains',
    { 'string.contains(string): bool': searched((text, part) => text.includes(part)) },
    'Is the other text within the text?',
    ['"docker.io/nginx".contains("nginx")', 'true'],
  ),
  define(
    'startsWith',
    { 'string.startsWith(string): bool': searched((text, part) => text.startsWith(part)) },
    'Does the text start with the other?',
    ['"docker.io/nginx".startsWith("docker.io/")', 'true'],
  ),
  define(
    'endsWith',
    { 'string.endsWith(string): bool': searched((text, part) => text.endsWith(part)) },
    'Does the text end with the other?',
    ['"nginx:latest".endsWith(":latest")', 'true'],
  ),
  define('charAt', { 'string.charAt(int): string': charAt }, 'The character with this number, from 0.', [
    '"hello".charAt(1)',
    '"e"',
  ]),
  define(
    'indexOf',
    { 'string.indexOf(string): int': indexOf, 'string.indexOf(string, int): int': indexOf },
    'Where the other text first is in the text, from 0; -1 where it is not. The second argument says where to start.',
    ['"hello".indexOf("l")', '2'],
  ),
  define(
    'lastIndexOf',
    { 'string.lastIndexOf(string): int': lastIndexOf, 'string.lastIndexOf(string, int): int': lastIndexOf },
    'Where the other text is last in the text; -1 where it is not.',
    ['"hello".lastIndexOf("l")', '3'],
  ),
  define(
    'substring',
    { 'string.substring(int): string': substring, 'string.substring(int, int): string': substring },
    'The characters from the first number on, up to but not including the second.',
    ['"hello".substring(1, 3)', '"el"'],
  ),
  define(
    'lowerAscii',
    { 'string.lowerAscii(): string': ascii((text) => text.toLowerCase(), /[A-Z]+/g) },
    'The text with A to Z in lower case.',
    ['"NGINX".lowerAscii()', '"nginx"'],
  ),
  define(
    'upperAscii',
    { 'string.upperAscii(): string': ascii((text) => text.toUpperCase(), /[a-z]+/g) },
    'The text with a to z in upper case.',
    ['"nginx".upperAscii()', '"NGINX"'],
  ),
  define(
    'replace',
    { 'string.replace(string, string): string': replace, 'string.replace(string, string, int): string': replace },
    'The text with each occurrence of a part replaced; the third argument limits how many.',
    ['"a-b-c".replace("-", "+", 1)', '"a+b-c"'],
  ),
  define(
    'split',
    { 'string.split(string): list<string>': split, 'string.split(string, int): list<string>': split },
    'The text split at a separator; the second argument limits the number of parts.',
    ['"nginx:1.27".split(":")', '["nginx", "1.27"]'],
  ),
  define('trim', { 'string.trim(): string': trim }, 'The text without white space at both ends.', [
    '"  a b ".trim()',
    '"a b"',
  ]),
  define(
    'reverse',
    {
      'string.reverse(): string': reverse,
      'list<A>.reverse(): list<A>': (items: readonly unknown[], budget: Budget) => {
        budget.spendItems(items.length);
        return items.toReversed();
      },
    },
    'The characters of a text, or the items of a list, in reverse order.',
    ['[1, 2, 3].reverse()', '[3, 2, 1]'],
  ),
  define(
    'join',
    { 'list<string>.join(): string': join, 'list<string>.join(string): string': join },
    'The texts of a list as one, with a separator between them.',
    ['["a", "b"].join(", ")', '"a, b"'],
  ),
  define(
    'strings.quote',
    { 'strings.quote(string): string': quote },
    'The text in double quotes, with special characters escaped.',
    [String.raw`strings.quote("a\n")`, String.raw`"\"a\\n\""`],
  ),
  define(
    'format',
    { 'string.format(list): string': formatText },
    'The text with each `%s` (any value), `%d` (integer), `%f`, `%e`, `%b`, `%o`, `%x` and `%X` replaced by an item of the list; `%.2f` has two digits after the point.',
    ['"%s has %d".format(["web", 3])', '"web has 3"'],
    ['"%.1f %x".format([2.25, 255])', '"2.2 ff"'],
  ),
];
