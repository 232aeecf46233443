import { REDACTED } from '../../posture/fact/image.ts';
import { SECRET_FORMS } from '../../posture/secret.ts';
import { CHANGED_PASSWORD } from '../inspector/redact.ts';

/**
 * Words that a name of a secret ends with, or one of its parts at `_`, `-` and `.`: DB_PASSWORD, dbpassword, NPM-TOKEN,
 * clientSecret, SECRET_KEY_BASE. So PasswordAuthentication and PermitEmptyPasswords are none: those are settings.
 */
const SECRET_PART =
  /(?:passw(?:or)?d|passphrase|secrets?|tokens?|credentials?|(?:api|access|account|auth|deploy|encryption|license|master|private|secret|session|shared|signing|storage)_?key)$|^(?:pass|pw|pwd|(?:db|my|root|user|admin)pass|pin)$/i;
const JOINED_KEY =
  /(?:api|access|account|auth|encryption|master|private|secret|shared|signing|storage)[_.-]key(?:$|[_.-])/i;
/** What a name ends with that only says where the secret is. */
const HARMLESS_END = /[_.-](?:dir|file|path|stdin|url)$/i;

/** Is a value under this name a secret? */
export function isSecretName(name: string): boolean {
  if (HARMLESS_END.test(name)) return false;
  return JOINED_KEY.test(name) || name.split(/[_.-]/).some((part) => SECRET_PART.test(part));
}

/** Secrets by their form, wherever they stand; two that could be something else in a build step. */
const FORMS: readonly RegExp[] = [
  ...SECRET_FORMS.map(({ form }) => new RegExp(form, 'g')),
  // crypt(5), as in a shadow file.
  /\$(?:1|2[abxy]|5|6|7|y|gy|sha1|argon2(?:i|d|id))\$[^\s:"'\0]{8,}/g,
  /(?<=\bbearer\s{1,8})[\w.~+/=-]{8,}/gi,
];

// Not from within a word: that would be tried at every letter of a long one.
const NAME = String.raw`(?<![A-Za-z_])([A-Za-z_][\w.-]{0,255})`;
// What stands between the name and the value: `name=value`, `name = value`, `name: value`, `"name": "value"`; then
// `--password value`, and `ENV DB_PASSWORD value` of a build step.
const ASSIGNED = String.raw`${NAME}["']?[ \t]{0,8}(?:=[ \t]{0,8}|:[ \t]{1,8}|:(?=["']))`;
const OPTION = String.raw`(?<=--|\b(?:ENV|ARG)\s{1,8})${NAME}[\s\0]{1,8}(?!--)`;
const BEFORE_VALUE = new RegExp(`${ASSIGNED}|${OPTION}`, 'g');
// A value: quoted, or up to the next white space or zero; brackets and quotes after it belong to what stands around it.
const AFTER_VALUE = String.raw`(?=["'\`,;)\]}]{0,8}(?:[\s\0]|$))`;
const VALUE = String.raw`"(?:[^"\\\n]|\\.)*"|'[^'\n]*'|\[(?:redacted|removed)\]${AFTER_VALUE}|[^\s\0]+?${AFTER_VALUE}`;
/** `"name=value with spaces"` */
const QUOTED_ASSIGNMENT = new RegExp(String.raw`(?<=(["']))${NAME}(=)((?:(?!\1)[^\n\0]){1,8192})(?=\1)`, 'g');
/** `Authorization: Basic …`: a scheme, then the credentials. */
const AUTHORIZATION = /(\bauthorization["']?\s{0,8}[:=]\s{0,8}["']?(?:[\w-]{1,32}\s{1,8})?)([^\s"'\0]+)/gi;
/** `https://user:password@host`; a password may hold a slash or an @ that should have been escaped. */
const USER_INFO =
  /(?<=:\/\/)(?:[^\s\0/?#"'<>@]{1,256}(?:@[^\s\0/?#"'<>@]{1,256}){0,4}|[^\s\0/?#"'<>@:]{1,256}:[^\s\0"'<>]{1,1024})@(?=[^\s\0@"'<>]+)/g;
/** `curl -u user:password`, `mysql -ppassword`, `sshpass -p password`. */
const USER_OPTION =
  /(\b(?:curl|wget|http)\b[^|;&\n]{0,512}?[\s\0](?:-u|--user)[\s\0=]?["']?[^\s\0:"']{1,256}:)([^\s\0"']+)/g;
const SHORT_OPTION =
  /(\b(?:mysql\w{0,16}|mariadb[\w-]{0,16}|sshpass)\b[^|;&\n]{0,512}?[\s\0]-p[\s\0]?)([^\s\0-][^\s\0]*)/g;

/**
 * `text` with each secret in it replaced by `mark`. Names stay, so that one can tell what was there. What was replaced
 * before keeps its mark.
 *
 * Unlike `redactSecrets` of the inspectors, which takes only what is surely a secret because each one is a finding, this
 * takes what is likely one too; but it reads files of settings as well, so PasswordAuthentication must be no secret: a
 * recorded node is judged like a live one.
 */
export function redactText(text: string, mark = REDACTED): string {
  const markFor = (secret: string): string => (secret.includes(REDACTED) ? REDACTED : mark);
  const keepFirst = (whole: string, before: string, secret: string): string =>
    secret === '' ? whole : before + markFor(secret);
  let result = text;
  for (const form of FORMS) result = result.replaceAll(form, markFor);
  result = result
    .replaceAll(USER_INFO, (info) => `${markFor(info)}@`)
    .replaceAll(AUTHORIZATION, keepFirst)
    .replaceAll(USER_OPTION, keepFirst)
    .replaceAll(SHORT_OPTION, keepFirst)
    .replaceAll(CHANGED_PASSWORD, keepFirst)
    .replaceAll(QUOTED_ASSIGNMENT, (whole, _quote: string, name: string, equals: string, value: string) =>
      isSecretName(name) ? name + equals + markFor(value) : whole,
    );
  return redactNamed(result, markFor);
}

/** Replaces what stands after the name of a secret. The value of another name may hold such names itself. */
function redactNamed(text: string, markFor: (secret: string) => string): string {
  const value = new RegExp(VALUE, 'y');
  let result = '';
  let done = 0;
  for (const match of text.matchAll(BEFORE_VALUE)) {
    const start = match.index + match[0].length;
    if (match.index < done || !isSecretName(match[1] ?? match[2] ?? '')) continue;
    value.lastIndex = start;
    const [secret] = value.exec(text) ?? [];
    if (secret === undefined) continue;
    const quote = /^["']/.exec(secret)?.[0] ?? '';
    result += text.slice(done, start) + quote + markFor(secret) + (secret.endsWith(quote) ? quote : '');
    done = start + secret.length;
  }
  return result + text.slice(done);
}

/**
 * The words of a command line, each redacted. A word after `--token`, and all that follows `--token=` or `TOKEN=` in one
 * word, is a secret whatever it looks like.
 */
export function redactWords(words: readonly string[]): readonly string[] {
  return redactTogether(words).map((word, index) => {
    const option = /^--?([A-Za-z_][\w.-]{0,255})$/.exec(words[index - 1] ?? '')?.[1];
    if (option !== undefined && isSecretName(option) && !word.startsWith('--')) return REDACTED;
    const assigned = /^(-{0,2}([A-Za-z_][\w.-]{0,255})=)./s.exec(word);
    return assigned !== null && isSecretName(assigned[2] ?? '') ? (assigned[1] ?? '') + REDACTED : word;
  });
}

/** Some options are secrets only after the program that they are given to, so the words are read as one line. */
function redactTogether(words: readonly string[]): readonly string[] {
  const together = redactText(words.join('\0')).split('\0');
  // A private key that goes on over several words takes them with it.
  return together.length === words.length ? together : words.map((word) => redactText(word));
}
