import { isHarmlessValue, isImageTag, SECRET_HEADER, secretNameKind } from './secret-name.ts';
import type { SecretSpan } from './span.ts';

/** Parameters of a signed URL that are no secrets by their name elsewhere. */
const QUERY = /^(?:sig|signature|key|auth|code|hmac|sign|x-(?:amz|goog)-(?:signature|credential))$/i;
/** Every name of a secret has one of these in it; most names have none. */
const HINT = /pass|pw|secret|token|cred|key|auth|cookie|psk|pin|otp|jwt|pat|community|sig|code|hmac|x-/i;
const MAX_NAME = 128;
const MAX_VALUE = 64 * 1024;

/** What a name is followed by, and what is in front of it. */
interface Assignment {
  readonly name: string;
  readonly kind: 'certain' | 'likely';
  /** Of the name. */
  readonly start: number;
  /** Of the value, quotes included. */
  readonly valueStart: number;
  readonly sign: string;
  /** There is a space between name and value. */
  readonly isSpaced: boolean;
}

/**
 * Values with the name of a secret: `name=value`, `name: value`, `"name": "value"` with any quotes and
 * backslashes, lines of YAML and ini files, headers, parameters of a URL, parts of a connection string.
 */
export function assignedSecrets(text: string): readonly SecretSpan[] {
  const spans: SecretSpan[] = [];
  const ends = createEnds(text);
  const kinds = new Map<string, 'certain' | 'likely' | undefined>();
  const kindOf = (name: string): 'certain' | 'likely' | undefined => {
    if (!kinds.has(name)) kinds.set(name, SECRET_HEADER.test(name) ? 'certain' : secretNameKind(name));
    return kinds.get(name);
  };
  const signs = /[=:]/g;
  for (let sign = signs.exec(text); sign !== null; sign = signs.exec(text)) {
    const found = assignmentAt(text, sign.index, kindOf);
    if (found === undefined) continue;
    const span = valueOf(text, found, ends);
    if (span === undefined) continue;
    spans.push(span);
    signs.lastIndex = Math.max(span.end, sign.index + 1);
  }
  return spans;
}

/** The name before the sign at `index`, where it is the name of a secret. */
function assignmentAt(text: string, index: number, kindOf: typeof secretNameKind): Assignment | undefined {
  let end = index;
  while (end > 0 && index - end < 8 && isBlank(text.charCodeAt(end - 1))) end -= 1;
  const spaced = end < index;
  const beforeQuotes = end;
  while (end > 0 && beforeQuotes - end < 8 && isClosing(text.charCodeAt(end - 1))) end -= 1;
  let start = end;
  while (start > 0 && end - start < MAX_NAME && isNameCharacter(text.charCodeAt(start - 1))) start -= 1;
  if (end - start < 2) return undefined;
  const name = text.slice(start, end).replace(/^[.$-]+/, '');
  const sign = text.charAt(index);
  const isQuery = sign === '=' && start > 0 && '?&'.includes(text.charAt(start - 1)) && QUERY.test(name);
  if (!isQuery && !HINT.test(name)) return undefined;
  const kind = isQuery ? 'certain' : kindOf(name);
  if (kind === undefined) return undefined;
  let valueStart = index + 1;
  // `:=`, `=>`, `==`.
  while (valueStart - index < 3 && '=>'.includes(text.charAt(valueStart)) && valueStart < text.length) valueStart += 1;
  const afterSign = valueStart;
  while (valueStart - afterSign < 64 && ' \t'.includes(text.charAt(valueStart)) && valueStart < text.length)
    valueStart += 1;
  const isSpaced = valueStart > afterSign || spaced;
  if (sign === ':' && !isSpaced && beforeQuotes === end && !startsValue(text, start, valueStart)) return undefined;
  return { name, kind, start, valueStart, sign, isSpaced };
}

const isBlank = (code: number): boolean => code === 32 || code === 9;

/** A quote, a backslash or a bracket between a name and its sign. */
const isClosing = (code: number): boolean => code === 34 || code === 39 || code === 92 || code === 93;

/** Letters, digits and `$-._`. */
const isNameCharacter = (code: number): boolean =>
  (code >= 97 && code <= 122) ||
  (code >= 65 && code <= 90) ||
  (code >= 48 && code <= 57) ||
  code === 95 ||
  code === 45 ||
  code === 46 ||
  code === 36;

/** May a value follow a colon directly? Not in images (`team/token:1.2`) and schemes (`secret://`). */
function startsValue(text: string, nameStart: number, valueStart: number): boolean {
  if ('"\'\\'.includes(text.charAt(valueStart))) return true;
  const before = text.charAt(nameStart - 1);
  if (nameStart > 0 && !'"\'\n'.includes(before)) return false;
  return (
    !text.startsWith('//', valueStart) &&
    !isImageTag(/^[^\s"'\0]{0,64}/.exec(text.slice(valueStart, valueStart + 64))?.[0] ?? '')
  );
}

function valueOf(text: string, assignment: Assignment, ends: Ends): SecretSpan | undefined {
  const { name, kind, valueStart } = assignment;
  // `authorization: {mode: Webhook}` is not a header: its own assignments are searched one by one.
  if (SECRET_HEADER.test(name) && FLOW_MAPPING.test(text.slice(valueStart, valueStart + MAX_NAME))) return undefined;
  const quoted = quotedValue(text, valueStart, ends);
  const [start, end] = quoted ?? [blockStart(text, valueStart), plainEnd(text, assignment, ends)];
  if (quoted === undefined && start !== valueStart) return blockValue(text, start, name, ends);
  const value = text.slice(start, end);
  if (value === '' || isHarmlessValue(value, kind, text.charAt(start - 1) === "'")) return undefined;
  // What `$(` and a backquote print is judged where it is printed.
  if (/^\$\(|^`/.test(value.slice(0, 2))) return undefined;
  return { start, end, what: `a value of ${name}`, name };
}

/** The beginning of a mapping of YAML or of an object of JSON on the line of its name. */
const FLOW_MAPPING = /^\{\s*["']?[A-Za-z][\w.-]*["']?\s*:/;

/** Places within the quotes of a value; a quote may have backslashes before it: `{\"password\": \"x\"}`. */
function quotedValue(text: string, at: number, { lineEnd }: Ends): readonly [number, number] | undefined {
  let open = at;
  while (open - at < 8 && text.charAt(open) === '\\') open += 1;
  const backslashes = open - at;
  const quote = text.charAt(open);
  if (quote !== '"' && quote !== "'") return undefined;
  const limit = Math.min(text.length, open + MAX_VALUE);
  for (
    let close = text.indexOf(quote, open + 1);
    close !== -1 && close < limit;
    close = text.indexOf(quote, close + 1)
  ) {
    let before = 0;
    while (before < 16 && close - before - 1 > open && text.charAt(close - before - 1) === '\\') before += 1;
    if (backslashes === 0 ? quote === "'" || before % 2 === 0 : before === backslashes)
      return [open + 1, close - backslashes];
  }
  // Never closed: the text was cut, or the quote is part of the secret.
  return [open + 1, lineEnd(open + 1)];
}

/** Where a value without quotes ends. */
function plainEnd(text: string, { start, name, valueStart, sign, isSpaced }: Assignment, ends: Ends): number {
  let opening = start;
  while (opening > 0 && start - opening < 3 && text.charAt(opening - 1) === '-') opening -= 1;
  const before = opening === 0 ? '\n' : text.charAt(opening - 1);
  const line = ends.lineEnd(valueStart);
  // Within quotes that begin before the name, the value goes to the closing one: 'DB_PASSWORD=two words'.
  if (before === '"' || before === "'") {
    const close = unescaped(text, before, valueStart, line);
    if (close !== -1) return close - (text.charAt(opening - 2) === '\\' && text.charAt(close - 1) === '\\' ? 1 : 0);
  }
  const word = ends.wordEnd(valueStart);
  if (before === '?' || before === '&') return firstOf(text, valueStart, word, /[&#"'<>;,)]/);
  // A connection string: Server=db;Password=two words;Database=x
  if (before === ';') return firstOf(text, valueStart, line, /[;"'<>]/);
  if (SECRET_HEADER.test(name)) return headerEnd(text, name, valueStart, ends);
  if (isSpaced && isLineStart(text, opening)) {
    const comment = text.slice(valueStart, line).indexOf(' #');
    return trimEnd(text, valueStart, comment === -1 ? line : valueStart + comment);
  }
  // A value continues behind a comma, semicolon or ampersand, unless what follows looks like the next name.
  const part = firstOf(
    text,
    valueStart,
    word,
    sign === '=' ? /[;&,](?=[\w.-]{1,64}[=:]|$|["'\s])/ : /[;&,](?=$|["'\s])|[;,](?=["']?[\w.-]{1,64}["']?:)/,
  );
  return trimClosers(text, valueStart, part);
}

/** `Bearer X`, `Basic X`; a digest and cookies have more parts. */
function headerEnd(text: string, name: string, start: number, { lineEnd, wordEnd }: Ends): number {
  const line = lineEnd(start);
  const value = text.slice(start, Math.min(line, start + 64));
  if (/cookie/i.test(name) || /^digest\s/i.test(value)) return firstOf(text, start, line, /["']/);
  const scheme = /^(?:\\[ \t])?[A-Za-z][\w-]{0,31}\\?[ \t]{1,8}/.exec(value)?.[0] ?? '';
  return trimClosers(text, start, wordEnd(start + scheme.length));
}

function isLineStart(text: string, at: number): boolean {
  const before = text.slice(Math.max(0, at - 64), at);
  return (
    /(?:^|[\n\r\0])[ \t]*(?:- |export[ \t]+|set[ \t]+)?["']?$/.test(before) && (at <= 64 || /[\n\r\0]/.test(before))
  );
}

/** A block of YAML: `|` or `>`, then lines below. */
function blockStart(text: string, at: number): number {
  const mark = /^[|>][-+]?\d?[ \t]{0,8}\r?\n/.exec(text.slice(at, at + 16));
  return mark === null ? at : at + mark[0].length;
}

function blockValue(text: string, at: number, name: string, { lineEnd }: Ends): SecretSpan | undefined {
  const indent = /^[ \t]+/.exec(text.slice(at, at + 64))?.[0] ?? '';
  if (indent === '') return undefined;
  let end = lineEnd(at);
  while (end < text.length && end - at < MAX_VALUE && text.startsWith(indent, end + 1)) end = lineEnd(end + 1);
  const start = at + indent.length;
  return start < end ? { start, end, what: `a value of ${name}`, name } : undefined;
}

function unescaped(text: string, quote: string, from: number, to: number): number {
  let at = text.indexOf(quote, from);
  while (at !== -1 && at < to && quote === '"' && text.charAt(at - 1) === '\\' && text.charAt(from - 1) !== '\\') {
    const isOwn = at === from;
    if (isOwn) return at;
    at = text.indexOf(quote, at + 1);
  }
  return at < to ? at : -1;
}

/** Where the line or word at a place ends. */
interface Ends {
  readonly lineEnd: (from: number) => number;
  readonly wordEnd: (from: number) => number;
}

/** Looks for each end once: many places may have the same. */
function createEnds(text: string): Ends {
  const finder = (end: RegExp): ((from: number) => number) => {
    let [begin, found] = [0, -1];
    return (from) => {
      if (from < begin || from > found) {
        end.lastIndex = from;
        begin = from;
        found = end.exec(text)?.index ?? text.length;
      }
      return Math.min(found, from + MAX_VALUE);
    };
  };
  return { lineEnd: finder(/[\n\r\0]/g), wordEnd: finder(/[\s\0]/g) };
}

function firstOf(text: string, from: number, to: number, sign: RegExp): number {
  const found = text.slice(from, to).search(sign);
  return found === -1 ? to : from + found;
}

/** Brackets and quotes behind a value belong to the text around it. */
function trimClosers(text: string, from: number, to: number): number {
  let end = to;
  while (end > from && '"\'`,;)]}>\\'.includes(text.charAt(end - 1))) end -= 1;
  return end;
}

function trimEnd(text: string, from: number, to: number): number {
  let end = to;
  while (end > from && ' \t,;'.includes(text.charAt(end - 1))) end -= 1;
  return end;
}
