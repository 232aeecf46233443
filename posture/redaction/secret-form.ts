import { REDACTED } from './secret-name.ts';

/** A secret that is recognised by its form, wherever it is. */
export interface SecretForm {
  readonly what: string;
  /**
   * Global, with two groups: what marks the kind and is no secret itself, and the secret, which may be redacted
   * already. Each takes time in proportion to the text: what repeats without a bound either matches whatever follows,
   * or cannot begin again within itself.
   */
  readonly form: RegExp;
}

const MARK = REDACTED.replaceAll(/[[\]]/g, String.raw`\$&`);

function form(what: string, prefix: string, body: string, flags = ''): SecretForm {
  return Object.freeze({ what, form: new RegExp(`(${prefix})(${MARK}|${body})`, `g${flags}`) });
}

const PRIVATE_KEY = '[A-Z0-9 ]{0,32}PRIVATE KEY(?: BLOCK)?-----';

/** As the issuers document prefix and length. */
export const SECRET_FORMS: readonly SecretForm[] = Object.freeze([
  form('a private key', `-----BEGIN ${PRIVATE_KEY}`, String.raw`[\s\S]*?(?:-----END ${PRIVATE_KEY}|$)`),
  form('a private key', 'AGE-SECRET-KEY-1', '[0-9A-Z]{20,}'),
  form('a private key', String.raw`\bPrivate-Lines: \d{1,4}`, String.raw`[\s\S]*?(?:Private-MAC:|$)`),
  form('an AWS access key', String.raw`\b(?:AKIA|ASIA)`, '[0-9A-Z]{16}\\b'),
  form('a GitHub token', String.raw`\bgh[pousr]_`, String.raw`\w{16,}`),
  form('a GitHub token', String.raw`\bgithub_pat_`, String.raw`\w{16,}`),
  form(
    'a GitLab token',
    String.raw`\b(?:gl(?:pat|dt|rt|cbt|ptt|ft|soat|agent|imt)-|GR1348941)`,
    String.raw`[\w.-]{16,}`,
  ),
  form('a Slack token', String.raw`\bx(?:ox[abceoprs]|app)-`, String.raw`[\w-]{10,}`),
  form('a Slack webhook', String.raw`\bhooks\.slack\.com/(?:services|workflows|triggers)/`, String.raw`[\w/-]{16,}`),
  form('a Discord webhook', String.raw`\bdiscord(?:app)?\.com/api/webhooks/\d{1,24}/`, String.raw`[\w-]{16,}`),
  form('an npm token', String.raw`\bnpm_`, '[A-Za-z0-9]{30,}'),
  form('a PyPI token', String.raw`\bpypi-`, String.raw`[\w-]{16,}`),
  form('a RubyGems key', String.raw`\brubygems_`, '[0-9a-f]{32,}'),
  form('a Docker token', String.raw`\bdckr_(?:pat|oat)_`, String.raw`[\w-]{16,}`),
  form('a join token of a swarm', String.raw`\bSWMTKN-1-`, String.raw`[\w-]{20,}`),
  form('a Stripe key', String.raw`\b[rs]k_(?:live|test)_`, String.raw`\w{16,}`),
  form('a Stripe key', String.raw`\bwhsec_`, String.raw`[\w+/=]{16,}`),
  form('a Google API key', String.raw`\bAIza`, String.raw`[\w-]{35}`),
  form('a Google access token', String.raw`\bya29\.`, String.raw`[\w-]{16,}`),
  form('a Google client secret', String.raw`\bGOCSPX-`, String.raw`[\w-]{20,}`),
  form('a Vault token', String.raw`\bhv[bsr]\.`, String.raw`[\w-]{20,}`),
  form('a SendGrid key', String.raw`\bSG\.`, String.raw`[\w-]{16,64}\.[\w-]{16,}`),
  form('an OpenAI key', String.raw`\bsk-(?:proj-|svcacct-|ant-)?`, String.raw`[\w-]{32,}`),
  form('a Hugging Face token', String.raw`\bhf_`, '[A-Za-z0-9]{30,}'),
  form('a DigitalOcean token', String.raw`\bdo[por]_v1_`, '[0-9a-f]{32,}'),
  form('a Databricks token', String.raw`\bdapi`, '[0-9a-f]{32}'),
  form('a Grafana token', String.raw`\bgl(?:sa|c)_`, String.raw`[\w+/=]{32,}`),
  form('a Shopify token', String.raw`\bshp(?:at|ca|pa|ss)_`, '[0-9a-fA-F]{32}'),
  form('an Atlassian token', String.raw`\bATATT3`, String.raw`[\w=-]{30,}`),
  form('a Telegram token', String.raw`\b\d{8,10}:AA`, String.raw`[\w-]{33}`),
  // Three characters, a digit, `Q~` and the rest, as Entra ID makes them.
  form('an Azure client secret', String.raw`\b[\w.~-]{3}\dQ~`, String.raw`[\w.~-]{31,40}`),
  // RFC 7519: base64url of `{"`, twice, and a signature. A header that holds another start is left to that one.
  form('a JSON Web Token', String.raw`\beyJ`, String.raw`(?:(?!-eyJ)[\w-]){5,}\.[\w-]{5,}\.[\w-]*`),
  // crypt(5), as in a shadow or htpasswd file.
  form(
    'a password hash',
    String.raw`\$(?:1|2[abxy]|5|6|7|y|gy|apr1|sha1|argon2(?:i|d|id)|scrypt)\$`,
    String.raw`[\w./+=,$-]{8,}`,
  ),
  form('a password hash', String.raw`\{S?SHA(?:256|512)?\}`, '[A-Za-z0-9+/]{16,}={0,2}'),
  form(
    'a bearer token',
    String.raw`\bbearer[ \t]{1,8}`,
    String.raw`(?=[A-Za-z_.~+/=-]{0,64}\d|[\w.~+/=-]{24})[\w.~+/=-]{6,}`,
    'i',
  ),
]);
