import { generateKeyPairSync } from 'node:crypto';
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { seen } from '../../posture/observed.ts';
import { writeSnapshot } from '../../image/policy/snapshot-file.ts';
import { signDetached } from '../../service/detached-signature.ts';
import { DIGEST, evidence, matchOf, policy } from '../fixture/image-evidence.ts';
import { judged, snapshotText } from '../fixture/policy-snapshot.ts';
import { environmentOf, plimsoll, PROGRAM, temporaryDirectory } from './process.ts';
import type { Run } from './process.ts';

const POLICIES = `apiVersion: plimsoll.dev/v1
kind: ImagePolicy
metadata: { name: production }
spec:
  match: { images: ['registry.example.com/**'], namespaces: ['prod-*'] }
  rules:
    - { type: reference, forbidTags: [latest] }
---
apiVersion: plimsoll.dev/v1
kind: PodPolicy
metadata: { name: pods }
spec: { podSecurity: { level: baseline } }
`;
const pod = (name: string, image: string, spec: object = {}): object => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, namespace: 'prod-eu' },
  spec: { ...spec, containers: [{ name: 'a', image }] },
});
const GOOD = 'registry.example.com/shop/db:16';

void t.test('objects of files and of standard input, by policy files', async (t) => {
  const directory = temporaryDirectory(t);
  const file = (name: string, text: string): string => {
    writeFileSync(join(directory, name), text);
    return join(directory, name);
  };
  const policies = file('policies.yaml', POLICIES);
  const explain = (operand: string, ...more: readonly string[]): Promise<Run> =>
    plimsoll(['policy', 'explain', operand, '--policy', policies, ...more], { COLUMNS: '120' });
  const list = {
    apiVersion: 'v1',
    kind: 'List',
    items: [pod('good', GOOD), pod('bad', 'registry.example.com/shop/db', { hostPID: true })],
  };
  const podList = { apiVersion: 'v1', kind: 'PodList', items: [{ metadata: { name: 'x' }, spec: {} }] };
  const yaml = `${JSON.stringify(pod('good', GOOD))}\n---\napiVersion: apps/v1\nkind: Deployment\nmetadata: { generateName: web- }\nspec: { template: { spec: { containers: [{ name: a, image: '${GOOD}' }] } } }\n`;
  const escapes = { ...pod('x', 'a\u001b[2J'), metadata: { name: '\u001b]0;evil\u0007' } };
  const [good, both, json, items, name, input, hostile, missing, noKind] = await Promise.all([
    explain(file('good.yaml', JSON.stringify(pod('good', GOOD)))),
    explain(file('list.json', JSON.stringify(list))),
    explain(file('list2.json', JSON.stringify(list)), '-o', 'json'),
    explain(file('podlist.json', JSON.stringify(podList)), '-o', 'json'),
    explain(file('documents.yaml', yaml), '-o', 'name', '--namespace', 'prod-us'),
    fromInput(JSON.stringify(list), ['policy', 'explain', '-', '--policy', policies, '-o', 'csv']),
    explain(file('hostile.json', JSON.stringify(escapes))),
    explain('./missing.yaml'),
    explain(file('empty.yaml', 'a: 1\n')),
  ]);
  t.equal(good.code, 0, good.stderr);
  t.match(good.stdout, /^Pod good in namespace prod-eu: allowed\n/);
  t.match(good.stdout, /pass +enforce +production +spec\.rules\[0\] +reference +registry\.example\.com/);
  t.match(good.stdout, 'policy files, which hold no verdicts');
  t.equal(both.code, 1);
  t.match(both.stdout, /Pod bad in namespace prod-eu: denied/);
  t.match(both.stdout, /spec\.hostPID: hostNamespaces: true; expected false or not set\. Remove hostPID\./);
  const { explanations } = JSON.parse(json.stdout) as {
    readonly explanations: readonly { readonly outcome: string }[];
  };
  t.strictSame(
    explanations.map(({ outcome }) => outcome),
    ['allow', 'deny'],
  );
  t.match(JSON.parse(items.stdout), {
    origin: 'files',
    explanations: [{ kind: 'Pod', name: 'x', namespace: 'default' }],
  });
  t.equal(name.stdout, 'Pod/good\nDeployment/web-*\n');
  t.equal(name.code, 0, 'the namespace is for objects that name none');
  t.match(input.stdout, /^kind,name,namespace,outcome,/);
  t.match(input.stdout, /^Pod,bad,prod-eu,deny,production,spec\.rules\[0\],reference,enforce,/m);
  t.notMatch(hostile.stdout.replaceAll('\n', ''), /\p{Cc}/v, 'no escape sequence reaches the terminal');
  t.equal(missing.code, 2);
  t.match(missing.stderr, './missing.yaml does not exist');
  t.match(noKind.stderr, /document 1 is not an object of Kubernetes: it has no kind/);
});

void t.test('an image by a snapshot file, which must be signed by the key that is named', async (t) => {
  const directory = temporaryDirectory(t);
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const other = generateKeyPairSync('ed25519');
  const key = join(directory, 'key.pub');
  const otherKey = join(directory, 'other.pub');
  writeFileSync(key, publicKey.export({ type: 'spki', format: 'pem' }));
  writeFileSync(otherKey, other.publicKey.export({ type: 'spki', format: 'pem' }));
  const policies = [
    policy([
      { type: 'vulnerability', severity: 'high' },
      { type: 'registry', allow: ['**'] },
    ]),
  ];
  const vulnerable = evidence({ vulnerabilities: seen({ matches: [matchOf()], unjudged: [] }, 'v') });
  const head = { version: 7, collector: 'test', issuedAt: Date.parse('2026-11-28T12:00:00Z'), tags: [] };
  const text = snapshotText({ ...head, policies, images: judged(policies, [[DIGEST, vulnerable]]) });
  const content = Buffer.from(text);
  await writeSnapshot(directory, { content, signature: await signDetached(content, privateKey) });
  const image = `registry.example.com/shop/db@${DIGEST}`;
  const explain = (...more: readonly string[]): Promise<Run> =>
    plimsoll(['policy', 'explain', image, '--snapshot', directory, ...more], { COLUMNS: '160' });
  const [explained, wrong, none, both] = await Promise.all([
    explain('--snapshot-key', key),
    explain('--snapshot-key', otherKey),
    explain(),
    explain('--snapshot-key', key, '--policy', key),
  ]);
  t.equal(explained.code, 1, explained.stderr);
  t.match(explained.stdout, `${image}: denied`);
  t.match(explained.stdout, /violated +enforce +\S+ +spec\.rules\[0\] +vulnerability .*CVE-2026-1/);
  t.match(explained.stdout, 'Decided by snapshot 7, issued 2026-11-28T12:00:00.000Z.');
  t.equal(wrong.code, 2);
  t.match(wrong.stderr, 'its signature is not one of the collector');
  t.match(none.stderr, '--snapshot needs --snapshot-key');
  t.match(both.stderr, 'not from both');
});

/** Runs the program with a text as its standard input, through a pipe. */
function fromInput(text: string, args: readonly string[]): Promise<Run> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [PROGRAM, ...args], { env: environmentOf(), stdio: 'pipe' });
    let [stdout, stderr] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', (part: string) => (stdout += part));
    child.stderr.setEncoding('utf8').on('data', (part: string) => (stderr += part));
    child.stdin.end(text);
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, stdout, stderr }));
  });
}
