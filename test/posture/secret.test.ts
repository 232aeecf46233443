import fc from 'fast-check';
import t from 'tap';
import { isSecretName, SECRET_FORMS } from '../../posture/secret.ts';

void t.test('names', async (t) => {
  for (const name of 'DB_PASSWORD passwd passphrase NPM_TOKEN splunk-token api_key API-KEY apikey clientSecret'.split(
    ' ',
  ))
    t.ok(isSecretName(name), name);
  for (const name of 'DB_PASSWORD_FILE TOKEN_URL password-stdin secret_id PUBLIC_API_KEY tlskey PATH'.split(' '))
    t.notOk(isSecretName(name), name);
});

const letters = (count: number): string => 'aB3dE6gH9'.repeat(20).slice(0, count);
/** What the issuers document: prefix and length. */
const EXAMPLES: Readonly<Record<string, readonly string[]>> = {
  'a private key': [
    '-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl\n-----END OPENSSH PRIVATE KEY-----',
    '-----BEGIN PGP PRIVATE KEY BLOCK-----\nlQVY\n-----END PGP PRIVATE KEY BLOCK-----',
    '-----BEGIN PRIVATE KEY-----\nMIIE and cut',
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

void t.test('each form takes the whole of its secret, and no other word', async (t) => {
  t.strictSame(
    SECRET_FORMS.map(({ what }) => what),
    Object.keys(EXAMPLES),
  );
  for (const { what, form } of SECRET_FORMS)
    for (const example of EXAMPLES[what] ?? []) t.equal(form.exec(`a ${example}`)?.[0], example, what);
  for (const text of [
    'npm_config_update_notifier_and_some_more_words',
    'npm_package_dependencies_typescript',
    '-----BEGIN CERTIFICATE-----\nMIIE\n-----END CERTIFICATE-----',
    '-----BEGIN PUBLIC KEY-----',
    'https://github.com/x/y@v1 sha256:ad213b78733c hvs.js SG.small.x eyJhbGci',
    'sk_test_4eC39HqLyjWDarjtT1zdp7dc',
  ])
    for (const { what, form } of SECRET_FORMS) t.notOk(form.test(text), `${what}: ${text}`);
});

void t.test('every form takes time in proportion to the text', async (t) => {
  // Beginnings of each, over and over, with what could make one search far and in vain.
  const starts = [
    'eyJaaaaa',
    '-eyJaaaaa',
    'eyJaaaaa.',
    '-eyJaaaaa.',
    '.-eyJ',
    'SG.aaaaaaaaaaaaaaaa',
    '-SG.',
    'ghp_',
    'xoxb-',
  ];
  const others = ['-----BEGIN PRIVATE KEY-----', '-----BEGIN ', 'SWMTKN-1-', 'hvs.', 'npm_', ' AKIA', 'glpat-', 'AIza'];
  const search = (text: string): void => {
    for (const { form } of SECRET_FORMS) text.replaceAll(new RegExp(form, 'g'), '');
  };
  for (const start of [...starts, ...others]) {
    const startedAt = process.cpuUsage();
    search(start.repeat(Math.ceil(400_000 / start.length)));
    const { user } = process.cpuUsage(startedAt);
    t.ok(user < 2_000_000, `${start}: ${String(Math.round(user / 1000))} ms`);
  }
  fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (text) => search(text) === undefined));
});
