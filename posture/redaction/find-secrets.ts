import { assignedSecrets } from './assigned-secrets.ts';
import { addSecretsOfCommands, addSecretsOfWords } from './command-secrets.ts';
import { SECRET_FORMS } from './secret-form.ts';
import { isHarmlessValue, REDACTED, secretNameKind } from './secret-name.ts';
import type { ShellWord } from './shell-words.ts';
import type { SecretSpan } from './span.ts';

/**
 * Secrets in a text of any kind: by their form, by their name, in addresses, and on command lines.
 * In the order of the text, without overlaps. What was redacted before is found again, so a redacted text tells which
 * secrets it had. Time is in proportion to the length.
 */
export function findSecrets(text: string): readonly SecretSpan[] {
  if (text.length < MIN_LENGTH) return [];
  const found = secretsAnywhere(text);
  addSecretsOfCommands(found, text);
  return merged(found, text);
}

/**
 * Secrets in the words of one command line, each word as the program gets it. The places are those in the words joined
 * by zero bytes.
 */
export function findSecretsInWords(words: readonly string[]): readonly SecretSpan[] {
  const text = words.join('\0');
  const places: ShellWord[] = [];
  let start = 0;
  for (const word of words) {
    places.push({ start, end: start + word.length, text: word, quoted: [] });
    start += word.length + 1;
  }
  // A shell may be among the words with a command line of its own.
  const found = secretsAnywhere(text);
  addSecretsOfWords(found, text, places);
  for (const word of places) if (/[\s\0]/.test(word.text)) addSecretsOfCommands(found, text, word.start, word.end);
  return merged(found, text);
}

/** The shortest text that can hold a name, a sign and a value. */
const MIN_LENGTH = 4;

function secretsAnywhere(text: string): SecretSpan[] {
  const spans: SecretSpan[] = [];
  for (const { what, form } of SECRET_FORMS) pushGroups(spans, text, form, what);
  for (const { what, form } of PLACES) pushGroups(spans, text, form, what);
  for (const found of [addressSecrets(text), namedValues(text), assignedSecrets(text), marks(text)])
    for (const span of found) spans.push(span);
  return spans;
}

/** Secrets that are recognised by the text around them: group 1 is before the secret, group 2 is the secret. */
const PLACES: readonly { readonly what: string; readonly form: RegExp }[] = Object.freeze([
  // host:port:database:user:password, the line of a .pgpass file.
  {
    what: 'a password of PostgreSQL',
    form: /((?:^|[\s"';])(?=[^:\s"']{0,64}[A-Za-z.*])[^:\s"']{1,64}:(?:\d{2,5}|\*):[^:\s"']{1,64}:[^:\s"']{1,64}:)([^:\s"']{1,256})(?=["'\s]|$)/g,
  },
  // machine example.org login me password x, the lines of a .netrc file.
  { what: 'a password of netrc', form: /(\b(?:machine|login)\s{1,8}\S{1,256}\s{1,32}password\s{1,8})(\S{1,1024})/g },
  // {"auths": {"registry.example": {"auth": "base64"}}}
  { what: 'a registry password', form: /(\\?["']auth\\?["']\s{0,8}:\s{0,8}\\?["'])([A-Za-z0-9+/=_-]{6,4096})/g },
  {
    what: 'a password in SQL',
    form: /(\b(?:identified\s{1,8}(?:with\s{1,8}[\w']{1,64}\s{1,8})?(?:by|as)|password)\s{0,8}\(?\s{0,8}[eE]?\\{0,3}')([^'\\]{1,1024})/gi,
  },
  {
    what: 'a password in SQL',
    form: /(\bidentified\s{1,8}(?:with\s{1,8}[\w']{1,64}\s{1,8})?(?:by|as)\s{1,8}\\{0,3}")([^"\\]{1,1024})/gi,
  },
  // user:password@tcp(host:3306)/database, go-sql-driver.
  { what: 'a password in an address', form: /((?<![\w.-])[\w.-]{1,64}:)([^\s@:/"']{1,256})(?=@(?:tcp|unix|udp)\()/g },
  // user:password@proxy:3128, without a scheme.
  {
    what: 'a password in an address',
    form: /((?:^|[\s"'=])[\w.-]{1,64}:)([^\s@:/"']{1,256})(?=@[A-Za-z0-9][\w.-]{0,255}:\d{2,5}(?![\w.]))/g,
  },
  // jdbc:oracle:thin:user/password@host, sqlplus user/password@host.
  { what: 'a password in an address', form: /(\bthin:[\w$#]{1,64}\/)([^\s@"']{1,256})(?=@)/g },
  {
    what: 'a password on a command line',
    form: /(\b(?:sqlplus|expdp|impdp|rman|sqlldr)\s{1,8}(?:-\w{1,8}\s{1,8}){0,4}["']?[\w$#]{1,64}\/)([^\s@"'/]{1,256})/g,
  },
  // `echo user:password | chpasswd`, also where the text was cut or the quotes are uneven.
  {
    what: 'a password on the standard input of a command',
    form: /((?:^|[^\w.-])[A-Za-z_][\w-]{0,31}:)([^\s"':|]{1,256})(?=["']?\s{0,8}\|\s{0,8}(?:sudo\s{1,8})?chpasswd\b)/g,
  },
  {
    what: 'a value of an element',
    form: /(<(?:[\w.-]{0,64}:)?[\w.-]{0,32}(?:password|passwd|secret|token|passphrase|apikey|api_key|privatekey)>\s{0,64})([^<\s][^<]{0,4096})/gi,
  },
]);

function pushGroups(spans: SecretSpan[], text: string, form: RegExp, what: string): void {
  for (const match of text.matchAll(form)) {
    const start = match.index + (match[1] ?? '').length;
    const secret = match[2] ?? '';
    if (!isHarmlessValue(secret, 'certain')) spans.push({ start, end: start + secret.length, what });
  }
}

/** Group 2 is a name, and what follows group 1 is its value. */
const NAMED: readonly RegExp[] = Object.freeze([
  // `{"name": "DB_PASSWORD", "value": "x"}`, as Kubernetes and appSettings write it.
  /(\b(?:name|key)\\?["']?\s{0,4}[:=]\s{0,4}\\?["']?([\w.-]{1,128})\\?["']?[,\s]{1,64}\\?["']?value\\?["']?\s{0,4}[:=]\s{0,4}\\?["']?)([^\s"'\\,}]{1,4096})/gi,
  // ${DB_PASSWORD:-x}
  /(\$\{([A-Za-z_]\w{0,127}):?[-=+])([^}]{1,1024})/g,
]);

function namedValues(text: string): readonly SecretSpan[] {
  const spans: SecretSpan[] = [];
  for (const form of NAMED)
    for (const { index, 1: before = '', 2: name = '', 3: value = '' } of text.matchAll(form)) {
      const kind = secretNameKind(name);
      if (kind === undefined || isHarmlessValue(value, kind)) continue;
      const start = index + before.length;
      spans.push({ start, end: start + value.length, what: `a value of ${name}`, name });
    }
  return spans;
}

/** A user and a password are not longer together. */
const MAX_USER = 1024;

/** `https://user:password@host`, `https://token@host`. A user alone is a secret only where HTTP is spoken. */
function addressSecrets(text: string): readonly SecretSpan[] {
  const spans: SecretSpan[] = [];
  let sign = text.indexOf('@');
  for (let at = text.indexOf('://'); at !== -1 && sign !== -1; at = text.indexOf('://', at + 3)) {
    const start = at + 3;
    if (sign < start) sign = text.indexOf('@', start);
    const end = sign === -1 || sign - start > MAX_USER ? undefined : userEnd(text, start);
    if (end === undefined) continue;
    const isWeb = /(?:^|[^a-z])https?$/i.test(text.slice(Math.max(0, at - 6), at));
    if (isSecretUser(text.slice(start, end), isWeb)) spans.push({ start, end, what: 'a password in an address' });
  }
  return spans;
}

/** Where the user information ends (RFC 3986, 3.2.1): at the last `@` of the authority. */
function userEnd(text: string, start: number): number | undefined {
  const window = text.slice(start, start + MAX_USER);
  const authority = /^[^\s\0/?#"'<>\\`]*/.exec(window)?.[0] ?? '';
  const last = authority.lastIndexOf('@');
  if (last > 0) return start + last;
  // A password may hold a slash that should have been escaped. What looks like a port before a path is one, unless what
  // follows the `@` looks like a host: `http://me:1/x@proxy.example:3128/`, but `http://localhost:4873/pkg@1.2` and
  // `docker://registry.example:5000/app@sha256:1a2b`.
  const colon = authority.indexOf(':');
  if (colon === -1 || last === 0) return undefined;
  const isPort = /^:\d{1,5}$/.test(authority.slice(colon));
  const host = isPort
    ? /^[^\s\0"'<>@]+[^/@\s]@(?!sha\d{3}:)(?=(?:[\w-]+\.)*[a-z][\w-]*(?:\.[a-z]{2,}|:\d))/i
    : /^[^\s\0"'<>@]+@(?=[\w[])/;
  const more = host.exec(window)?.[0];
  return more === undefined ? undefined : start + more.length - 1;
}

function isSecretUser(user: string, isWeb: boolean): boolean {
  const colon = user.indexOf(':');
  if (colon === -1)
    return isWeb && !isHarmlessValue(user, 'certain') && !/^(?:git|anonymous|user|username)$/i.test(user);
  const [name, password] = [user.slice(0, colon), user.slice(colon + 1)];
  return !isHarmlessValue(password, 'certain') || (password === '' && isWeb && name !== '');
}

/** What was redacted before. */
function marks(text: string): readonly SecretSpan[] {
  const spans: SecretSpan[] = [];
  for (let at = text.indexOf(REDACTED); at !== -1; at = text.indexOf(REDACTED, at + REDACTED.length))
    spans.push({ start: at, end: at + REDACTED.length, what: 'a redacted value' });
  return spans;
}

/** Sorted, those that overlap or touch the same mark as one; the first with the most telling words names it. */
function merged(spans: readonly SecretSpan[], text: string): readonly SecretSpan[] {
  const sorted = spans
    .filter(({ start, end }) => start < end)
    .sort((one, other) => one.start - other.start || other.end - one.end);
  const result: SecretSpan[] = [];
  for (const span of sorted) {
    const last = result.at(-1);
    if (last === undefined || span.start >= last.end) result.push(span);
    else
      result[result.length - 1] = { ...moreTelling(last, span), start: last.start, end: Math.max(last.end, span.end) };
  }
  return result.filter(({ start, end }) => start < end && end <= text.length);
}

const TELLING: readonly RegExp[] = [/^a redacted value$/, /^a value of |^a secret option/];

/** A form is stronger evidence than a name, and a name than a mark. */
function moreTelling(one: SecretSpan, other: SecretSpan): SecretSpan {
  const rank = ({ what, name }: SecretSpan): number => {
    const index = TELLING.findIndex((pattern) => pattern.test(what));
    return index === -1 ? 3 : index + (name === undefined ? 0 : 1);
  };
  return rank(other) > rank(one) ? { ...other, ...(one.name === undefined ? {} : { name: one.name }) } : one;
}
