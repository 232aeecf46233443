import { generateKeyPairSync } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { parseAllDocuments } from 'yaml';
import type { Test } from 'tap';
import { plimsoll, temporaryDirectory } from './process.ts';

const POLICY = `apiVersion: plimsoll.dev/v1
kind: ImagePolicy
metadata: { name: production }
spec:
  match: { images: ['registry.example.com/**'], namespaces: ['prod-*'] }
  rules:
    - { type: vulnerability, severity: critical }
    - type: signature
      authorities: [{ name: release, key: { pem: '-----BEGIN PUBLIC KEY-----' } }]
---
apiVersion: plimsoll.dev/v1
kind: ImagePolicy
metadata: { name: others }
spec: { mode: warn, rules: [{ type: registry, allow: ['registry.example.com/**'] }] }
`;

const cases = (outcome: string): string => `apiVersion: plimsoll.dev/v1
kind: ImagePolicyTest
policies: [policy.yaml]
now: 2026-11-28
cases:
  - name: a critical vulnerability
    image: registry.example.com/shop/db:1
    namespace: prod-eu
    evidence:
      packages: []
      vulnerabilities: [{ id: CVE-2026-1, severity: critical, package: openssl }]
      signatures: { release: verified }
    expect: { outcome: ${outcome}, reasons: [vulnerability], warnings: [] }
  - name: nothing is known
    image: registry.example.com/shop/db:1
    namespace: prod-eu
    expect: { outcome: couldNotTell, reasons: [database-unknown, inventory-incomplete, signature-unknown] }
  - name: an image from elsewhere in another namespace
    image: alpine
    expect: { outcome: allow, warnings: [registry-not-allowed] }
`;

function directoryWith(t: Test, files: Readonly<Record<string, string>>): (name: string) => string {
  const directory = temporaryDirectory(t);
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text);
  return (name) => join(directory, name);
}

void t.test('policy test: as expected, and not', async (t) => {
  const path = directoryWith(t, {
    'policy.yaml': POLICY,
    'good.yaml': cases('deny'),
    'bad.yaml': cases('allow'),
    'empty.yaml': cases('deny').replace(/cases:[^]*/, 'cases: []'),
    'typo.yaml': cases('deny').replace('severity: critical', 'severty: critical'),
    'authority.yaml': cases('deny').replace('{ release: verified }', '{ relase: verified }'),
    'code.yaml': cases('deny').replace('[vulnerability]', '[vulnerabilities]'),
  });
  const [good, bad, empty, typo, authority, code] = await Promise.all(
    ['good', 'bad', 'empty', 'typo', 'authority', 'code'].map((name) =>
      plimsoll(['policy', 'test', path(`${name}.yaml`)]),
    ),
  );
  t.strictSame([good?.code, good?.stderr], [0, '']);
  t.match(good?.stdout, /^RESULT +CASE +OUTCOME/);
  t.equal(good?.stdout.match(/^ok /gm)?.length, 3);
  t.equal(bad?.code, 1);
  t.match(bad?.stdout, /FAILED +a critical vulnerability +deny +expected allow, got/);
  for (const [run, problem] of [
    [empty, /cases: expected at least one/],
    [typo, /cases\[0\]\.evidence\.vulnerabilities\[0\]\.severty: unknown field; did you mean `severity`\?/],
    [authority, /cases\[0\]\.evidence\.signatures names an authority that no policy has/],
    [code, /cases\[0\]\.expect\.reasons\[0\]: expected one of/],
  ] as const) {
    t.equal(run?.code, 2);
    t.match(run?.stderr, problem);
  }
});

void t.test('policy check and explain', async (t) => {
  const path = directoryWith(t, { 'policy.yaml': POLICY, 'wrong.yaml': POLICY.replace('severity', 'severty') });
  const [checked, wrong, explained, none, json] = await Promise.all([
    plimsoll(['policy', 'check', path('policy.yaml')]),
    plimsoll(['policy', 'check', path('wrong.yaml')]),
    plimsoll([
      'policy',
      'explain',
      'Registry.example.com/a/b',
      '--namespace',
      'prod-1',
      '--policy',
      path('policy.yaml'),
    ]),
    plimsoll(['policy', 'explain', 'alpine']),
    plimsoll(['policy', 'check', path('policy.yaml'), '-o', 'json']),
  ]);
  t.equal(checked.code, 0);
  t.match(checked.stdout, /production +enforce +registry\.example\.com\/\*\* +prod-\* +2\n/);
  t.equal(wrong.code, 1);
  t.match(wrong.stderr, /wrong\.yaml#1: spec\.rules\[0\]\.severty: unknown field; did you mean `severity`\?/);
  t.equal(explained.code, 1, 'without evidence it could not tell');
  t.match(explained.stdout, /unknown +enforce +production +spec\.rules\[1\] +signature/);
  t.equal(none.code, 2);
  t.match(none.stderr, /or name policy files: --policy FILE/);
  t.match(JSON.parse(json.stdout), {
    policies: [{ name: 'production', rules: [{ type: 'vulnerability', mode: 'enforce' }, {}] }, {}],
  });
});

void t.test('the examples of docs/policy.md decide as the page says', async (t) => {
  const page = readFileSync(join(import.meta.dirname, '../../docs/policy.md'), 'utf8');
  const examples = [...page.matchAll(/^```yaml\n([^]*?)^```$/gm)].map(([, text = '']) => text);
  const policy = examples.find((text) => /^kind: ImagePolicy$/m.test(text)) ?? '';
  const test = examples.find((text) => /^kind: ImagePolicyTest$/m.test(text)) ?? '';
  const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const path = directoryWith(t, {
    'production.yaml': policy,
    'test.yaml': test,
    'cosign.pub': publicKey.export({ type: 'spki', format: 'pem' }).toString(),
  });
  const { code, stdout, stderr } = await plimsoll(['policy', 'test', path('test.yaml')]);
  t.equal(code, 0, `${stdout}${stderr}`);

  const pods = directoryWith(t, {
    'shop.yaml': examples.find((text) => /^metadata: \{ name: shop \}$/m.test(text)) ?? '',
    'test.yaml': examples.find((text) => /^kind: PodPolicyTest$/m.test(text)) ?? '',
  });
  const run = await plimsoll(['policy', 'test', pods('test.yaml')]);
  t.equal(run.code, 0, run.stderr);
  const [, printed = ''] = /^```text\n\$ plimsoll policy test test\.yaml\n([^]*?)^```$/m.exec(page) ?? [];
  t.equal(run.stdout.replaceAll(/ +$/gm, ''), printed);
});

const PODS = `apiVersion: plimsoll.dev/v1
kind: ImagePolicy
metadata: { name: all }
spec:
  rules:
    - { type: registry, allow: ['registry.example.com/shop/*'] }
    - { type: vulnerability, severity: critical }
    - type: signature
      authorities: [{ name: release, key: { pem: '-----BEGIN PUBLIC KEY-----' } }]
---
apiVersion: plimsoll.dev/v1
kind: PodPolicy
metadata: { name: pods }
spec: { podSecurity: { level: baseline, version: '1.34' }, breakGlass: { users: [eve], groups: [sre] } }
`;
const DIGEST = `sha256:${'1'.repeat(64)}`;
const podCases = (cases: string): string =>
  `apiVersion: plimsoll.dev/v1\nkind: PodPolicyTest\npolicies: [pods.yaml]\nexemptNamespaces: [kube-system]\nnow: 2026-11-28\ncases:\n${cases}`;
const GLASS = 'metadata: { annotations: { plimsoll.dev/break-glass: outage 42 } }';
const CONTAINER = (image: string): string => `{ name: c, image: '${image}' }`;

void t.test('policy test: pods and what creates them, as admission control decides', async (t) => {
  const known = `[{ image: 'registry.example.com/shop/web:1', digest: '${DIGEST}', evidence: { packages: [], vulnerabilities: [], signatures: { release: verified } } }]`;
  const web = CONTAINER('registry.example.com/shop/web:1');
  const path = directoryWith(t, {
    'pods.yaml': PODS,
    'web.yaml': `kind: Pod\nmetadata: { namespace: prod }\nspec: { containers: [${web}] }\n`,
    'two.yaml': 'kind: Pod\n---\nkind: Pod\n',
    'good.yaml': podCases(`
  - { name: by file, file: web.yaml, images: ${known}, expect: { outcome: allow, reasons: [], warnings: [] } }
  - name: signed in one repository, pushed to another one
    object: { kind: Pod, spec: { containers: [${CONTAINER(`registry.example.com/shop/copy@${DIGEST}`)}] } }
    images: ${known}
    expect: { outcome: couldNotTell, reasons: [not-scanned] }
  - name: an ephemeral container
    object: { kind: Pod, spec: { containers: [${web}], ephemeralContainers: [${CONTAINER('evil.example.com/sh')}] } }
    images: ${known}
    expect: { outcome: deny, reasons: [registry-not-allowed, not-scanned] }
  - name: what Kubernetes itself would not take
    object: { kind: Pod, spec: { containers: 7 } }
    expect: { outcome: deny, reasons: [pod-malformed] }
  - name: a template is not pinned, its pods are
    object: { kind: CronJob, spec: { jobTemplate: { spec: { template: { spec: { containers: [${web}] } } } } } }
    images: ${known}
    expect: { outcome: allow, warnings: [not-scanned], allowedBy: policies, pods: { outcome: allow, reasons: [] } }
  - name: an exempt namespace
    namespace: kube-system
    object: { kind: Pod, spec: { hostPID: true, containers: [${web}] } }
    expect: { outcome: allow, reasons: [], allowedBy: exemptNamespace }
  - name: break-glass by nobody
    object: { kind: Pod, ${GLASS}, spec: { hostPID: true, containers: [${web}] } }
    images: ${known}
    expect: { outcome: deny, reasons: [break-glass-not-allowed, pod-security] }
  - name: break-glass by a group
    user: { name: bob, groups: [sre] }
    object: { kind: Pod, ${GLASS}, spec: { hostPID: true, containers: [${web}] } }
    images: ${known}
    expect: { outcome: allow, reasons: [pod-security], allowedBy: breakGlass }
  - name: break-glass that nothing needs
    user: { name: eve }
    object: { kind: Pod, ${GLASS}, spec: { containers: [${web}] } }
    images: ${known}
    expect: { outcome: allow, allowedBy: policies }
  - name: break-glass of a template
    user: { name: eve }
    object: { kind: Deployment, spec: { template: { ${GLASS}, spec: { hostPID: true, containers: [${web}] } } } }
    images: ${known}
    expect:
      outcome: allow
      allowedBy: breakGlass
      reasons: [pod-security]
      pods: { outcome: allow, allowedBy: breakGlass, reasons: [pod-security] }
  - name: break-glass of a template by nobody
    object: { kind: Deployment, spec: { template: { ${GLASS}, spec: { containers: [${web}] } } } }
    images: ${known}
    expect: { outcome: deny, reasons: [break-glass-not-allowed], pods: { outcome: deny } }`),
    'glass.yaml': podCases(`
  - name: the wrong group
    user: { groups: [dev] }
    object: { kind: Pod, ${GLASS}, spec: { hostPID: true, containers: [${web}] } }
    images: ${known}
    expect: { outcome: allow, reasons: [pod-security], allowedBy: breakGlass }`),
    'bad.yaml': podCases(`
  - name: '<wrong>'
    object: { kind: Deployment, spec: { template: { spec: { hostPID: true, containers: [${web}] } } } }
    expect: { outcome: allow, warnings: [not-scanned], pods: { outcome: allow } }`),
    'service.yaml': podCases(`\n  - { name: s, object: { kind: Service }, expect: { outcome: allow } }`),
    'none.yaml': podCases(`\n  - { name: s, expect: { outcome: allow } }`),
    'many.yaml': podCases(`\n  - { name: s, file: two.yaml, expect: { outcome: allow } }`),
    'tag.yaml': podCases(
      `\n  - { name: s, file: web.yaml, images: [{ image: 'a/b:1', evidence: {} }], expect: { outcome: allow } }`,
    ),
  });
  const [good, bad, glass, junit, service, none, many, tag, other] = await Promise.all([
    plimsoll(['policy', 'test', path('good.yaml'), '-o', 'json']),
    plimsoll(['policy', 'test', path('bad.yaml')]),
    plimsoll(['policy', 'test', path('glass.yaml'), '-o', 'json']),
    plimsoll(['policy', 'test', path('good.yaml'), path('bad.yaml'), '-o', 'junit']),
    ...['service', 'none', 'many', 'tag'].map((name) => plimsoll(['policy', 'test', path(`${name}.yaml`)])),
    plimsoll(['policy', 'check', path('pods.yaml'), '-o', 'junit']),
  ]);
  t.match(JSON.parse(good.stdout), { passed: 11, failed: 0, cases: [{ outcome: 'allow', reasons: [] }] }, good.stdout);
  t.equal(bad.code, 1);
  t.match(bad.stdout, /FAILED +<wrong> +allow +unexpected warnings: pod-security; pods: expected/);
  t.equal(glass.code, 1);
  t.match(JSON.parse(glass.stdout).cases[0].differences, [
    'expected allow, got deny',
    'unexpected reasons: break-glass-not-allowed',
    'expected to be allowed by breakGlass, got a refusal',
  ]);
  t.equal(junit.code, 1);
  t.match(junit.stdout, /<testsuites name="plimsoll policy test" tests="12" failures="1"/);
  t.match(junit.stdout, /name="&lt;wrong&gt;" time="0"><failure message="unexpected warnings: pod-security"/);
  for (const [run, problem] of [
    [service, /cases\[0\]\.object: expected a Pod, or an object with a pod template/],
    [none, /cases\[0\]: expected either object or file/],
    [many, /cases\[0\]\.file: has 2 objects, expected one/],
    [tag, /cases\[0\]\.images\[0\]: expected a digest in the reference or beside it; no tag is judged/],
    [other, /--output junit belongs to policy test/],
  ] as const) {
    t.equal(run?.code, 2);
    t.match(run?.stderr, problem);
  }
});

void t.test('policy export', async (t) => {
  const pod =
    'apiVersion: plimsoll.dev/v1\nkind: PodPolicy\nmetadata: { name: pods }\nspec: { podSecurity: { level: baseline } }\n';
  const path = directoryWith(t, { 'policy.yaml': POLICY, 'pod.yaml': pod });
  const [yaml, json, none, table] = await Promise.all([
    plimsoll(['policy', 'export', '--format', 'vap', path('policy.yaml'), path('pod.yaml')]),
    plimsoll(['policy', 'export', '--format', 'vap', '-o', 'json', path('pod.yaml')]),
    plimsoll(['policy', 'export', path('pod.yaml')]),
    plimsoll(['policy', 'export', '--format', 'vap', '-o', 'table', path('pod.yaml')]),
  ]);
  t.equal(yaml.code, 0);
  const documents = parseAllDocuments(yaml.stdout).map((document) => document.toJS() as { kind: string });
  t.ok(documents.length >= 2);
  t.match(documents[0], { kind: 'ValidatingAdmissionPolicy', metadata: { name: 'plimsoll-enforce' } });
  t.match(
    yaml.stderr,
    /left out, needs evidence that the API server does not have: production spec\.rules\[0\] \(vulnerability\)/,
  );
  t.match(JSON.parse(json.stdout), { kind: 'List', items: [{ kind: 'ValidatingAdmissionPolicy' }, {}] });
  t.equal(none.code, 2);
  t.match(none.stderr, /needs --format vap/);
  t.equal(table.code, 2);
});
