import { REDACTED } from '../../posture/fact/image.ts';

/** Longer texts are cut first: what is matched below takes time in proportion to the length. */
const MAX_LENGTH = 64 * 1024;

/** Names that are given to secrets, also within a longer name: DB_PASSWORD, NPM_TOKEN. */
const SECRET_NAME = /pass(?:word|wd|phrase)|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|credential/i;
/** Names that only say where a secret is or how it is called, and public keys. */
const HARMLESS_NAME = /[_-](?:file|path|dir|url|id|name|stdin)$|public/i;

/** Secrets by their form, wherever they stand. */
const SECRET_FORMS: readonly RegExp[] = [
  /-----BEGIN [A-Z ]{0,32}PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]{0,32}PRIVATE KEY-----|$)/g,
  /\b(?:AKIA|ASIA)[0-9A-Z]{16}\b/g,
  /\b(?:gh[pousr]_\w{36,251}|github_pat_\w{22,255})/g,
  /\bglpat-[\w-]{20,64}/g,
  /\bxox[abprs]-[\w-]{10,255}/g,
  /\bnpm_\w{36}\b/g,
  /\beyJ[\w-]{8,2048}\.eyJ[\w-]{8,8192}\.[\w-]{8,2048}/g,
];

/** `name=value`, `"name": "value"`, `name: value`: name, what stands between, and the value with its quotes. */
const ASSIGNMENT =
  /([A-Za-z_][\w-]{0,127})(["']?(?:=|:(?=\s|["'])\s{0,8}))("[^"]{0,8192}"|'[^']{0,8192}'|[^\s"',;]{1,8192})/g;
/** `--password value`. */
const OPTION = /(--[A-Za-z][\w-]{0,127})(\s{1,8})("[^"]{1,8192}"|'[^']{1,8192}'|[^\s"'-][^\s"']{0,8191})/g;
/** `Authorization: Bearer …`, to the end of the quotation or line. */
const AUTHORIZATION = /(\bAuthorization["']?\s{0,4}[:=]\s{0,4}["']?)(?!\[redacted\]|\$)[^"'\n]{1,8192}/gi;
/** `https://user:password@host` */
const ADDRESS = /(:\/\/)[^\s:/@$"']{1,256}:[^\s/@$"']{1,1024}@/g;
/** `curl -u user:password` and `echo user:password | chpasswd` */
const CURL_USER = /(\bcurl\b[^|;&\n]{0,512}?\s(?:-u|--user)[ =]?["']?[^\s:"']{1,256}:)[^\s"']{1,1024}/g;
const CHANGED_PASSWORD = /([A-Za-z_][\w-]{0,31}:)[^\s"':|]{1,256}(?=["']?\s{0,8}\|\s{0,8}(?:sudo\s{1,8})?chpasswd\b)/g;

/**
 * `text` with each secret in it replaced by `[redacted]`. Names stay, so that one can still tell what was there. A
 * reference to a variable is no secret.
 */
export function redactSecrets(text: string): string {
  let result = text.slice(0, MAX_LENGTH);
  for (const form of SECRET_FORMS) result = result.replaceAll(form, REDACTED);
  return result
    .replaceAll(AUTHORIZATION, `$1${REDACTED}`)
    .replaceAll(ADDRESS, `$1${REDACTED}@`)
    .replaceAll(CURL_USER, `$1${REDACTED}`)
    .replaceAll(CHANGED_PASSWORD, `$1${REDACTED}`)
    .replaceAll(ASSIGNMENT, redactValue)
    .replaceAll(OPTION, redactValue);
}

/** Is a value under this name a secret? */
export function isSecretName(name: string): boolean {
  return SECRET_NAME.test(name) && !HARMLESS_NAME.test(name);
}

function redactValue(whole: string, name: string, between: string, value: string): string {
  if (!isSecretName(name)) return whole;
  const quote = value.startsWith('"') || value.startsWith("'") ? value.charAt(0) : '';
  const plain = quote === '' ? value : value.slice(1, -1);
  if (plain === '' || plain.startsWith('$') || plain.includes(REDACTED)) return whole;
  return `${name}${between}${quote}${REDACTED}${quote}`;
}
