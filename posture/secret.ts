/** Names that are given to secrets, also within a longer name: DB_PASSWORD, NPM_TOKEN. */
const SECRET_NAME = /pass(?:word|wd|phrase)|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|credential/i;
/** Names that only say where a secret is or how it is called, and public keys. */
const HARMLESS_NAME = /[_-](?:file|path|dir|url|id|name|stdin)$|public/i;

/**
 * Is a value under this name a secret? For names that a person gave: variables of a build step, options of a daemon. For
 * files of settings it takes too much: PasswordAuthentication is one of its names.
 */
export function isSecretName(name: string): boolean {
  return SECRET_NAME.test(name) && !HARMLESS_NAME.test(name);
}

/**
 * Secrets that are known by their form, wherever they stand. Each takes time in proportion to the text: what repeats
 * without a bound either matches whatever follows, or cannot begin again within itself.
 */
export const SECRET_FORMS: readonly { readonly what: string; readonly form: RegExp }[] = Object.freeze([
  {
    what: 'a private key',
    form: /-----BEGIN [A-Z0-9 ]{0,32}PRIVATE KEY(?: BLOCK)?-----[\s\S]*?(?:-----END [A-Z0-9 ]{0,32}PRIVATE KEY(?: BLOCK)?-----|$)/,
  },
  { what: 'an AWS access key', form: /\b(?:AKIA|ASIA)[0-9A-Z]{16}\b/ },
  { what: 'a GitHub token', form: /\b(?:gh[pousr]_\w{20,}|github_pat_\w{20,})/ },
  { what: 'a GitLab token', form: /\bglpat-[\w-]{16,}/ },
  { what: 'a Slack token', form: /\bxox[abeprs]-[\w-]{10,}/ },
  { what: 'an npm token', form: /\bnpm_[A-Za-z0-9]{30,}/ },
  { what: 'a Docker token', form: /\bdckr_(?:pat|oat)_[\w-]{16,}/ },
  { what: 'a join token of a swarm', form: /\bSWMTKN-1-[\w-]{20,}/ },
  { what: 'a Stripe key', form: /\b[rs]k_live_\w{16,}/ },
  { what: 'a Google API key', form: /\bAIza[\w-]{35}/ },
  { what: 'a Vault token', form: /\bhv[bs]\.[\w-]{20,}/ },
  { what: 'a SendGrid key', form: /\bSG\.[\w-]{16,}\.[\w-]{16,}/ },
  // RFC 7519: base64url of `{"`, twice, and a signature. A header that holds another start is left to that one.
  { what: 'a JSON Web Token', form: /\beyJ(?:(?!-eyJ)[\w-]){5,}\.[\w-]{5,}\.[\w-]*/ },
]);
