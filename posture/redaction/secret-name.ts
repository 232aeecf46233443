/** Replaces a secret. */
export const REDACTED = '[redacted]';

/** Replaces a value that is not known to be a secret, such as the value of ENV in a build step. */
export const OMITTED = '[omitted]';

/** What the last part of a name ends with where its value is a secret: DB_PASSWORD, dbpassword, clientSecret. */
const SECRET_END =
  /(?:passw(?:or)?d|passphrase|secret|secrets|token|tokens|credential|credentials|cookie|community|(?:storage|shared|root|db|my|user|admin|key|trust|bind|ldap|mysql|pg|postgres|redis|smtp|mail|ftp|http|proxy|ssl|cert|ca|require)pass|(?:bind|root|mgmt|admin)pw|masterauth)$/;
/** Parts that are secret as a whole word only: `bypass` and `compass` are none. */
const SECRET_WORD = /^(?:pass|pw|pwd|psk|pin|otp|creds?|jwt|pat)$/;
/** Keys that are secrets however the name is written: apiKey, API_KEY, secret-access-key, client-key-data. */
const SECRET_KEY =
  /(?:api|app|application|access|account|auth|client|consumer|deploy|encryption|hmac|ingest|integration|jwt|license|master|private|rsa|secret|service|session|shared|signing|storage|subscription|webhook)keys?(?:data|base)?$/;
/** Keys that are public, or that open nothing. */
const HARMLESS_KEY = /(?:gpg|pgp|public|pub|apt|host|cache|sort|partition|foreign|route|routing)_?key$/;
/** What a name ends with that says where the secret is, how long it lives or how it is checked, but not what it is. */
const HARMLESS_END =
  /(?:authentications?|[_.-](?:algorithm|arn|audience|bytes|class|count|dir|directory|enabled|endpoint|expir(?:y|es|ation)|fd|file|files|format|header|hint|host|id|issuer|length|lifetime|max|method|min|mode|name|namespace|path|pattern|policy|port|provider|ref|regex|required|size|sock|stdin|store|timeout|ttl|type|uri|url|version))$/i;
const HARMLESS_CAMEL_END =
  /[a-z](?:Dir|Endpoint|File|Header|Host|Id|Length|Name|Path|Policy|Ref|Stdin|Ttl|Type|Uri|Url|Version)$/;
/** Identifiers that are given out like a secret, against the rule that an id is harmless. */
const SECRET_ID = /(?:^|[_.-])(?:secret|role_secret|access_key|aws_access_key)[_-]?id$/i;

/** Headers that hold a secret; their value has more than one word. */
export const SECRET_HEADER =
  /^(?:proxy-)?authorization$|^(?:set-)?cookie2?$|^x-(?:api|auth|access|amz|goog|vault|gitlab)[\w-]*$/i;

const MAX_NAME_LENGTH = 256;

/**
 * Is a value under this name a secret? `certain`: DB_PASSWORD, npm-token, clientSecret. `likely`: names such as
 * TLS_KEY and BASIC_AUTH, whose value may also be the path of a file. undefined: no. Settings that only speak about
 * secrets, such as PasswordAuthentication and PASSWORD_FILE, are none.
 */
export function secretNameKind(name: string): 'certain' | 'likely' | undefined {
  if (name.length > MAX_NAME_LENGTH) return undefined;
  // KEY_1 and TOKEN2 are the same name once more.
  const plain = name.replace(/^[_.-]+/, '').replace(/[_.-]?\d{1,4}$/, '');
  if (SECRET_ID.test(name)) return 'certain';
  if (HARMLESS_END.test(plain) || HARMLESS_CAMEL_END.test(plain)) return undefined;
  const parts = plain.split(/[_.-]+|(?<=[a-z0-9])(?=[A-Z])/).map((part) => part.toLowerCase());
  const joined = parts.join('');
  if (/public|gpg|pgp/.test(joined) && joined.endsWith('key')) return undefined;
  if (SECRET_KEY.test(joined) || SECRET_END.test(plain.toLowerCase())) return 'certain';
  if (parts.some((part) => SECRET_END.test(part) || SECRET_WORD.test(part))) return 'certain';
  const last = parts.at(-1) ?? '';
  if (parts.length > 1 && last === 'key' && !HARMLESS_KEY.test(parts.slice(-2).join('_'))) return 'likely';
  return (parts.length > 1 || /^[_-]/.test(name)) && last === 'auth' ? 'likely' : undefined;
}

/** Is a value under this name surely or likely a secret? */
export function isSecretName(name: string): boolean {
  return secretNameKind(name) !== undefined;
}

/** A variable, a substitution or a template that stands for a value: `$TOKEN`, `${TOKEN}`, `{{ token }}`, `%TOKEN%`. */
const REFERENCE =
  /^(?:\$|\$[A-Za-z_]\w*|\$\{[A-Za-z_][\w.]*(?:[:%#?^,/][^}]*)?\}|\$\([^)]*\)?|\$\{\{[^}]*\}\}|\{\{[^}]*\}\}|%[A-Za-z_]\w*%)$/;
/** A default behind the name of a variable is a value: `${TOKEN:-hunter2}`. */
const DEFAULT_VALUE = /^\$\{[A-Za-z_]\w*:?[-=+]/;
/** Answers to a question about a secret, and signs that stand for one. */
const NO_VALUE = /^(?:true|false|yes|no|on|off|null|none|nil|undefined|required|optional|\*+|-|\[omitted\])$/i;
/** `docker build --secret id=NAME`, and a swarm's `--secret source=NAME`: which secret, not its value. */
const SECRET_REFERENCE = /^(?:type=\w{1,16},)?(?:id|source)=[\w.-]+(?:,|$)/;
/** Where container engines mount secrets. */
const SECRET_MOUNT = /^\/(?:var\/)?run\/secrets\/[\w./-]+$/;
const PATH = /^(?:~|\.{1,2}|[A-Za-z]:)?[/\\](?:[\w.@%-]+[/\\])*[\w.@%-]*$/;
/** Tags of images, which follow a colon, as the values of headers do. */
const TAG = /^(?:latest|v?\d{1,4}(?:\.\d{1,6}){0,3}(?:-[a-z]+[\w.]*)?)$/;

/** Is `value`, which has a name of this kind, certainly not a secret? */
export function isHarmlessValue(value: string, kind: 'certain' | 'likely', isQuotedLiterally = false): boolean {
  // No path or reference is longer, and the patterns below must not see the rest of a long text again and again.
  if (value.length > 1024) return false;
  if (value === '' || NO_VALUE.test(value) || SECRET_MOUNT.test(value) || SECRET_REFERENCE.test(value)) return true;
  if (!isQuotedLiterally && REFERENCE.test(value) && !DEFAULT_VALUE.test(value)) return true;
  return kind === 'likely' && PATH.test(value);
}

/** Is `value`, found behind a colon without a space, the tag of an image whose name sounds like a secret? */
export function isImageTag(value: string): boolean {
  return TAG.test(value);
}
