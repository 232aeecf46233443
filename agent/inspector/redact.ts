import { REDACTED } from '../../posture/fact/image.ts';
import { isSecretName, SECRET_FORMS } from '../../posture/secret.ts';

/** Longer texts are cut first: what is matched below takes time in proportion to the length. */
const MAX_LENGTH = 64 * 1024;

/** Secrets by their form, wherever they stand. */
const FORMS: readonly RegExp[] = SECRET_FORMS.map(({ form }) => new RegExp(form, 'g'));

/** `name=value`, `"name": "value"`, `name: value`: name, what stands between, and the value with its quotes. */
const ASSIGNMENT =
  /([A-Za-z_][\w-]{0,127})(["']?(?:=|:(?=\s|["'])\s{0,8}))("[^"]{0,8192}"|'[^']{0,8192}'|[^\s"',;]{1,8192})/g;
/** `--password value`. */
const OPTION = /(--[A-Za-z][\w-]{0,127})(\s{1,8})("[^"]{1,8192}"|'[^']{1,8192}'|[^\s"'-][^\s"']{0,8191})/g;
/** `Authorization: Bearer …`, to the end of the quotation or line. */
const AUTHORIZATION = /(\bAuthorization["']?\s{0,4}[:=]\s{0,4}["']?)(?!\[redacted\]|\$)[^"'\n]{1,8192}/gi;
/** `https://user:password@host` */
const ADDRESS = /(:\/\/)[^\s:/@$"']{1,256}:[^\s/@$"']{1,1024}@/g;
/** `curl -u user:password` */
const CURL_USER = /(\bcurl\b[^|;&\n]{0,512}?\s(?:-u|--user)[ =]?["']?[^\s:"']{1,256}:)[^\s"']{1,1024}/g;
/** `echo user:password | chpasswd`: the user with the colon, then the password. */
export const CHANGED_PASSWORD =
  /([A-Za-z_][\w-]{0,31}:)([^\s"':|]{1,256})(?=["']?\s{0,8}\|\s{0,8}(?:sudo\s{1,8})?chpasswd\b)/g;

/**
 * `text` with each secret in it replaced by `[redacted]`. Names stay, so that one can still tell what was there. A
 * reference to a variable is no secret.
 *
 * What is taken out here is a finding (image.history-secret), so this takes only what is surely a secret. A recording
 * (`agent/record/redact.ts`) must not hold one that is merely likely, and its marks are not judged: it takes more, of
 * more kinds of text. The two share what is known by its form.
 */
export function redactSecrets(text: string): string {
  let result = text.slice(0, MAX_LENGTH);
  for (const form of FORMS) result = result.replaceAll(form, REDACTED);
  return result
    .replaceAll(AUTHORIZATION, `$1${REDACTED}`)
    .replaceAll(ADDRESS, `$1${REDACTED}@`)
    .replaceAll(CURL_USER, `$1${REDACTED}`)
    .replaceAll(CHANGED_PASSWORD, `$1${REDACTED}`)
    .replaceAll(ASSIGNMENT, redactValue)
    .replaceAll(OPTION, redactValue);
}

function redactValue(whole: string, name: string, between: string, value: string): string {
  if (!isSecretName(name)) return whole;
  const quote = value.startsWith('"') || value.startsWith("'") ? value.charAt(0) : '';
  const plain = quote === '' ? value : value.slice(1, -1);
  if (plain === '' || plain.startsWith('$') || plain.includes(REDACTED)) return whole;
  return `${name}${between}${quote}${REDACTED}${quote}`;
}
