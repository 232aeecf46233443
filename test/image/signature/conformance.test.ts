import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { parsePublicKey } from '../../../image/signature/public-key.ts';
import { parseSigstoreBundle, preAuthEncoding } from '../../../image/signature/sigstore-bundle.ts';
import { parseTrustedRoot } from '../../../image/signature/trusted-root.ts';

/** https://github.com/sigstore/sigstore-conformance: bundles with the answer in the name of their directory. */
const root = fileURLToPath(new URL('../../../', import.meta.url));
const archive = join(root, '../shared/referees/sigstore-conformance.tar.xz');
/** The client of the update framework of Sigstore is delivered with the trusted root of the public instance. */
const seedFile = join(root, 'node_modules/@sigstore/tuf/seeds.json');
const skip =
  existsSync(archive) && existsSync(seedFile) ? false : 'no conformance bundles of Sigstore beside the project';

const IDENTITY =
  'https://github.com/sigstore-conformance/extremely-dangerous-public-oidc-beacon/.github/workflows/extremely-dangerous-oidc-beacon.yml@refs/heads/main';
const ISSUER = 'https://token.actions.githubusercontent.com';

await t.test('the conformance bundles of Sigstore', { skip }, (t) => {
  execFileSync('tar', ['-xJf', archive, '-C', t.testdir()]);
  const cases = join(t.testdirName, 'sigstore-conformance/test/assets/bundle-verify');
  const names = readdirSync(cases, { withFileTypes: true }).flatMap((entry) =>
    entry.isDirectory() ? [entry.name] : [],
  );
  t.equal(names.length, 70);
  for (const name of names) {
    const expected = name.endsWith('_fail') ? 'refused' : 'verified';
    t.match(judge(cases, name), expected === 'verified' ? /^verified$/ : /^refused: /, name);
  }
  t.end();
});

/** `verified`, or `refused: ` with the reason. */
function judge(cases: string, name: string): string {
  const read = (file: string): Buffer | undefined => {
    const path = join(cases, name, file);
    return existsSync(path) ? readFileSync(path) : undefined;
  };
  const artifact = read('artifact') ?? readFileSync(join(cases, 'a.txt'));
  const bundle = parseSigstoreBundle(read('bundle.sigstore.json') ?? Buffer.alloc(0));
  if (!bundle.ok) return `refused: ${bundle.problem}`;
  const { content } = bundle.value;
  if (content.$case === 'dsseEnvelope') {
    const statement = JSON.parse(content.dsseEnvelope.payload.toString()) as {
      subject: { digest: { sha256: string } }[];
    };
    const digest = createHash('sha256').update(artifact).digest('hex');
    if (!statement.subject.some((one) => one.digest.sha256 === digest)) return 'refused: another artifact';
  }
  const pem = read('key.pub');
  if (pem !== undefined) {
    const key = parsePublicKey(pem.toString());
    if (!key.ok) return `refused: ${key.reason}`;
    const [data, signature] =
      content.$case === 'messageSignature'
        ? [artifact, content.messageSignature.signature]
        : [preAuthEncoding(content.dsseEnvelope), content.dsseEnvelope.signatures[0]?.sig];
    return signature !== undefined && key.value.verify(data, signature) ? 'verified' : 'refused: another key';
  }
  const trusted = parseTrustedRoot(read('trusted_root.json') ?? publicRoot());
  if (!trusted.ok) return `refused: ${trusted.reason}`;
  const result = trusted.value.verify(bundle.value, artifact);
  if (result.state !== 'signed') return `refused: ${result.state} ${'reason' in result ? result.reason : ''}`;
  const [identity, issuer] = [read('identity')?.toString() ?? IDENTITY, read('issuer')?.toString() ?? ISSUER];
  return result.identity === identity.trim() && result.issuer === issuer.trim()
    ? 'verified'
    : 'refused: another signer';
}

/** The trusted root of the public instance. */
function publicRoot(): Buffer {
  const seeds = JSON.parse(readFileSync(seedFile, 'utf8')) as Record<string, { targets: Record<string, string> }>;
  const text = seeds['https://tuf-repo-cdn.sigstore.dev']?.targets['trusted_root.json'] ?? '';
  return Buffer.from(text, 'base64');
}
