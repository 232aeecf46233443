import t from 'tap';
import { SECRET_FORMS } from '../../../posture/redaction/secret-form.ts';
import { isSecretName } from '../../../posture/redaction/secret-name.ts';

void t.test('names', async (t) => {
  const secret =
    'password PASSWORD DB_PASSWORD dbpassword passwd DB-PASS MYSQL_PWD client_secret clientSecret SECRET_KEY_BASE NPM_TOKEN NPM_TOKEN_2 splunk-token X-Vault-Token api_key API-KEY apikey apiKey aws_secret_access_key AWS_ACCESS_KEY_ID private.key TLS_KEY encryption_key credentials pwd SECRET_ID passphrase client-key-data';
  const harmless =
    'PasswordAuthentication PermitEmptyPasswords tlskey tlscert key name PATH PASSWORD_FILE DB_PASSWORD_FILE token-path TOKEN_URL password-stdin bypass Speculation_Store_Bypass compass tokenizer secretary public_key PUBLIC_API_KEY GPG_KEY authorization-plugins no-new-privileges MaxAuthTries tokenUrl';
  for (const name of secret.split(' ')) t.ok(isSecretName(name), name);
  for (const name of harmless.split(' ')) t.notOk(isSecretName(name), name);
});

const letters = (count: number): string => 'aB3dE6gH9'.repeat(20).slice(0, count);
/** What the issuers document: prefix and length. */
const EXAMPLES: Readonly<Record<string, readonly string[]>> = {
  'a private key': [
    '-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl\n-----END OPENSSH PRIVATE KEY-----',
    '-----BEGIN PGP PRIVATE KEY BLOCK-----\nlQVY\n-----END PGP PRIVATE KEY BLOCK-----',
  ],
  'an AWS access key': ['AKIAIOSFODNN7EXAMPLE', 'ASIAIOSFODNN7EXAMPLE'],
  'a GitHub token': [`ghp_${letters(36)}`, `ghs_${letters(36)}`, `github_pat_${letters(22)}_${letters(59)}`],
  'a GitLab token': [`glpat-${letters(20)}`],
  'a Slack token': [`xoxb-123456789012-${letters(24)}`],
  'an npm token': [`npm_${letters(36)}`],
  'a Docker token': [`dckr_pat_${letters(27)}`],
  'a join token of a swarm': [`SWMTKN-1-${letters(50)}-${letters(25)}`],
  'a Stripe key': [`sk_live_${letters(24)}`, `rk_live_${letters(24)}`],
  'a Google API key': [`AIza${letters(35)}`],
  'a Vault token': [`hvs.${letters(24)}`],
  'a SendGrid key': [`SG.${letters(22)}.${letters(43)}`],
  // RFC 7519, 3.1.
  'a JSON Web Token': [
    'eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODB9.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk',
  ],
};

void t.test('each form takes the whole of its secret but for what names the kind, and no other word', async (t) => {
  for (const [kind, examples] of Object.entries(EXAMPLES)) {
    const forms = SECRET_FORMS.filter(({ what }) => what === kind);
    for (const example of examples) {
      const found = forms.flatMap(({ form }) => [...`a ${example} b`.matchAll(form)].map(([whole]) => whole));
      t.ok(found.includes(example), `${kind}: ${example}`);
    }
  }
  for (const text of [
    'npm_config_update_notifier_and_some_more_words',
    'npm_package_dependencies_typescript',
    '-----BEGIN CERTIFICATE-----\nMIIE\n-----END CERTIFICATE-----',
    '-----BEGIN PUBLIC KEY-----',
    'https://github.com/x/y@v1 sha256:ad213b78733c hvs.js SG.small.x eyJhbGci',
  ])
    for (const { what, form } of SECRET_FORMS) t.notOk(text.match(form), `${what}: ${text}`);
});
