import { compile } from 'json-p3';
import type { JSONPathQuery, JSONValue } from 'json-p3';
import { safe, safeJson } from '../../api/safe.ts';

/*
 * Templates of `-o jsonpath=…`: the subset of kubectl's that scripts use (https://kubernetes.io/docs/reference/kubectl/jsonpath/).
 * Text is copied; `{PATH}` is replaced by the values at the path, separated by spaces; `{range PATH}…{end}` repeats its
 * body for each value; `{"\n"}` is text with escapes. A path is RFC 9535 without the leading `$`; nothing is evaluated.
 */

/** A parsed template: the text for a document. */
export type Template = (document: unknown) => string;

type Part =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'path'; readonly path: JSONPathQuery }
  | { readonly kind: 'range'; readonly path: JSONPathQuery; readonly body: readonly Part[] };

/** Longest template, in UTF-16 units. */
const MAX_LENGTH = 4096;
const MAX_DEPTH = 8;

/** Parses a template. Throws an Error that says what is wrong with it. */
export function parseTemplate(source: string): Template {
  if (source.length > MAX_LENGTH) throw new Error(`it is longer than ${String(MAX_LENGTH)} characters`);
  const tokens = tokensOf(source);
  const parts = parseParts(tokens, 0);
  if (tokens.length > 0) throw new Error('{end} without {range}');
  return (document) => {
    const text = render(parts, document);
    return text.endsWith('\n') ? text : `${text}\n`;
  };
}

type Token = { readonly kind: 'text' | 'expression'; readonly text: string };

/** Text and the contents of braces; braces within quotes belong to their string. */
function tokensOf(source: string): Token[] {
  const tokens: Token[] = [];
  for (const match of source.matchAll(/[^{]+|\{((?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[^"'{}])*)\}|\{/g)) {
    const [whole, expression] = match;
    if (whole === '{') throw new Error(`the brace at character ${String(match.index + 1)} is not closed`);
    tokens.push(
      expression === undefined ? { kind: 'text', text: whole } : { kind: 'expression', text: expression.trim() },
    );
  }
  return tokens;
}

/** Parts up to the end, or up to the `{end}` of the range that they are in. */
function parseParts(tokens: Token[], depth: number): readonly Part[] {
  if (depth > MAX_DEPTH) throw new Error(`more than ${String(MAX_DEPTH)} ranges are nested`);
  const parts: Part[] = [];
  for (let token = tokens[0]; token !== undefined; token = tokens[0]) {
    if (token.kind === 'expression' && token.text === 'end') return parts;
    tokens.shift();
    if (token.kind === 'text') parts.push({ kind: 'text', text: token.text });
    else if (/^range\s/.test(token.text)) {
      const body = parseParts(tokens, depth + 1);
      if (tokens.shift() === undefined) throw new Error('{range} without {end}');
      parts.push({ kind: 'range', path: pathOf(token.text.slice('range'.length).trim()), body });
    } else if (/^["']/.test(token.text)) parts.push({ kind: 'text', text: unquote(token.text) });
    else parts.push({ kind: 'path', path: pathOf(token.text) });
  }
  if (depth > 0) throw new Error('{range} without {end}');
  return parts;
}

function pathOf(text: string): JSONPathQuery {
  const rest = text.replace(/^[$@]/, '');
  if (rest !== '' && !/^[.[]/.test(rest))
    throw new Error(`{${text}}: a path starts with a dot, such as {.items[*].id}`);
  try {
    return compile(`$${rest === '.' ? '' : rest}`);
  } catch (error) {
    throw new Error(`{${text}}: ${error instanceof Error ? error.message : 'not a path'}`, { cause: error });
  }
}

function unquote(text: string): string {
  return text
    .slice(1, -1)
    .split(/\\(['"\\nrt])/)
    .map((part, index) => (index % 2 === 1 ? (ESCAPES[part] ?? part) : safe(part)))
    .join('');
}

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', '"': '"', "'": "'", '\\': '\\' };

function render(parts: readonly Part[], value: unknown): string {
  return parts
    .map((part) => {
      switch (part.kind) {
        case 'text':
          return part.text;
        case 'path':
          return valuesAt(part.path, value).map(textOf).join(' ');
        case 'range':
          return valuesAt(part.path, value)
            .map((item) => render(part.body, item))
            .join('');
      }
    })
    .join('');
}

function valuesAt(path: JSONPathQuery, value: unknown): readonly unknown[] {
  return path.query(value as JSONValue).values();
}

/** Strings as they are, but safe to show; anything else as JSON. */
function textOf(value: unknown): string {
  return typeof value === 'string' ? safe(value) : safeJson(value);
}
