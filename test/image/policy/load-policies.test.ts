import { execFileSync } from 'node:child_process';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { Test } from 'tap';
import { loadPolicies } from '../../../image/policy/load-policies.ts';
import { authorityId } from '../../../policy/rule/signature.ts';
import { cpuMs } from '../../fixture/cpu-time.ts';

const PEM = '-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n';

const policyText = (name: string, spec = 'rules: []'): string =>
  `apiVersion: plimsoll.dev/v1\nkind: ImagePolicy\nmetadata: { name: ${name} }\nspec:\n  ${spec}\n`;

function write(t: Test, files: Readonly<Record<string, string>>): (name: string) => string {
  const directory = t.testdir({});
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(join(directory, name, '..'), { recursive: true });
    writeFileSync(join(directory, name), text);
  }
  return (name) => join(directory, name);
}

async function problemsOf(...paths: readonly string[]): Promise<string> {
  const loaded = await loadPolicies(paths);
  return loaded.ok ? '' : loaded.problems.map(({ problem }) => problem).join('\n');
}

void t.test('several policies in a file, several files, paths relative to the file', async (t) => {
  const signature = `rules: [{ type: signature, authorities: [{ name: k, key: { file: KEY } }] }]\n  waivers: [w.yaml]`;
  const path = write(t, {
    'a.yaml': `${policyText('one', 'match: { images: [a.example/x] }\n  rules: []')}---\n# nothing\n---\n${policyText('two', `match: { images: [a.example/y] }\n  ${signature.replace('KEY', 'keys/k.pub')}`)}`,
    'keys/k.pub': PEM,
    'other/b.yaml': policyText(
      'three',
      `match: { images: [b.example/y] }\n  ${signature.replace('KEY', '../keys/k.pub')}`,
    ),
    'other/c.json': JSON.stringify({
      apiVersion: 'plimsoll.dev/v1',
      kind: 'ImagePolicy',
      metadata: { name: 'json' },
      spec: { rules: [] },
    }),
  });
  const loaded = await loadPolicies([path('a.yaml'), path('other/b.yaml'), path('other/c.json'), path('a.yaml')]);
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
  t.strictSame(
    loaded.policies.map(({ name }) => name),
    ['one', 'two', 'three', 'json'],
  );
  t.equal(loaded.policies[0]?.source, `${path('a.yaml')}#1`);
  t.strictSame(loaded.policies[2]?.waivers, [path('other/w.yaml')]);
  const ids = loaded.policies.flatMap(({ rules }) =>
    rules.flatMap((rule) => (rule.type === 'signature' ? rule.authorities.map(authorityId) : [])),
  );
  t.equal(ids.length, 2);
  t.equal(ids[0], ids[1], 'the same key, named in two ways');
});

void t.test('pod policies and container policies stand beside image policies', async (t) => {
  const pod = (name: string, spec: string): string =>
    `apiVersion: plimsoll.dev/v1\nkind: PodPolicy\nmetadata: { name: ${name} }\nspec: ${spec}\n`;
  const container = (name: string, spec: string): string => pod(name, spec).replace('PodPolicy', 'ContainerPolicy');
  const path = write(t, {
    'all.yaml': `${policyText('images')}---\n${pod('pods', '{ podSecurity: { level: baseline } }')}`,
    'same.yaml': pod('others', '{}'),
    'docker.yaml': container('docker', '{ allowHostNamespaces: [network] }'),
    'docker2.yaml': container('docker2', '{ match: { clients: ["*"] } }'),
    'docker3.yaml': container('docker3', '{ allowPriviledged: true }'),
    'wrong.yaml': pod('wrong', '{ podSecurity: { level: high } }'),
  });
  const loaded = await loadPolicies([path('all.yaml'), path('docker.yaml')]);
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
  t.match(loaded, {
    policies: [{ name: 'images' }],
    podPolicies: [{ name: 'pods', podSecurity: { level: 'baseline' } }],
    containerPolicies: [{ name: 'docker', allowHostNamespaces: ['network'] }],
  });
  t.match(await problemsOf(path('all.yaml'), path('same.yaml')), /others conflicts with pods of .*equally specific/);
  t.match(
    await problemsOf(path('docker.yaml'), path('docker2.yaml')),
    /docker2 conflicts with docker of .*the clients \* and \* are equally specific/,
  );
  t.match(await problemsOf(path('docker3.yaml')), /spec\.allowPriviledged: unknown field; did you mean/);
  t.match(await problemsOf(path('wrong.yaml')), /^spec\.podSecurity\.level: expected/);
});

void t.test('two policies of one rank are refused', async (t) => {
  const path = write(t, { 'a.yaml': policyText('one'), 'b.yaml': policyText('two') });
  t.match(await problemsOf(path('a.yaml'), path('b.yaml')), /two conflicts with one of .*a\.yaml: \*\* in \*/);
});

void t.test('one problem refuses all', async (t) => {
  const path = write(t, { 'a.yaml': `${policyText('one')}---\n${policyText('two', 'rule: []')}` });
  const loaded = await loadPolicies([path('a.yaml')]);
  t.strictSame(loaded, {
    ok: false,
    problems: [{ source: `${path('a.yaml')}#2`, problem: 'spec.rule: unknown field; did you mean `rules`?' }],
  });
});

void t.test('hostile files', async (t) => {
  const bomb = [
    'a: &a [x,x,x,x,x,x,x,x,x]',
    ...'bcdefghi'
      .split('')
      .map(
        (letter, index) =>
          `${letter}: &${letter} [${Array.from({ length: 9 }, () => `*${'abcdefgh'[index] ?? ''}`).join(',')}]`,
      ),
  ].join('\n');
  const path = write(t, {
    'empty.yaml': '',
    'comment.yaml': '# nothing\n',
    'bomb.yaml': bomb,
    'twice.yaml': policyText('one', 'mode: enforce\n  mode: observe\n  rules: []'),
    'twice-quoted.yaml': policyText('one', 'mode: enforce\n  "mode": observe\n  rules: []'),
    'key.yaml': policyText('one', '{ [a]: 1 }'),
    'proto.yaml': policyText('one', '__proto__: { mode: observe }\n  rules: []'),
    'merge.yaml': policyText('one', '<<: { mode: observe }\n  rules: []'),
    'tag.yaml': policyText('one', 'rules: !!js/function "x"'),
    'secret.yaml': 'password: "hunter2\n',
    'deep.yaml': '['.repeat(100_000),
    'deeper.yaml': '- '.repeat(100_000),
    'large.yaml': `# ${'x'.repeat(100 * 1024 * 1024)}`,
    'keys.yaml': Array.from({ length: 30_000 }, (_, index) => `k${String(index)}:`).join('\n'),
    'documents.yaml': '---\na\n'.repeat(1000),
    'text.yaml': 'root:$6$salt$hash:19000:0:99999:7:::\n',
  });
  writeFileSync(path('binary.yaml'), new Uint8Array([0xff, 0xfe, 0x00]));
  execFileSync('mkfifo', [path('pipe.yaml')]);
  symlinkSync(path('secret.yaml'), path('link.yaml'));
  symlinkSync(path('loop.yaml'), path('loop.yaml'));
  const rows: readonly (readonly [file: string, problem: RegExp])[] = [
    ['missing.yaml', /^does not exist$/],
    ['empty.yaml', /^contains no policy$/],
    ['comment.yaml', /^contains no policy$/],
    ['bomb.yaml', /^has too many aliases$/],
    ['twice.yaml', /^line 6, column 3: a key occurs twice$/],
    ['twice-quoted.yaml', /^line 6, column 3: a key occurs twice$/],
    ['key.yaml', /a key is not a single value/],
    ['proto.yaml', /^spec: has a key that is not a field/],
    ['merge.yaml', /^spec: has a key that is not a field/],
    ['tag.yaml', /not valid YAML \(TAG_RESOLVE_FAILED\)/],
    ['secret.yaml', /^line \d, column \d+: not valid YAML/],
    ['link.yaml', /^line \d, column \d+: not valid YAML/],
    ['loop.yaml', /^is a loop of links$/],
    ['pipe.yaml', /^is not a regular file$/],
    ['.', /^is not a regular file$/],
    ['deep.yaml', /^is nested deeper than 64 levels$/],
    ['deeper.yaml', /^is nested deeper than 64 levels$/],
    ['large.yaml', /^is larger than 262144 bytes$/],
    ['keys.yaml', /^kind: expected ImagePolicy, PodPolicy, ContainerPolicy, RolloutPolicy or ResponsePolicy$/],
    ['documents.yaml', /^has more than 256 documents$/],
    ['text.yaml', /^kind: expected ImagePolicy, PodPolicy, ContainerPolicy, RolloutPolicy or ResponsePolicy$/],
    ['binary.yaml', /^is not UTF-8 text$/],
  ];
  for (const [file, expected] of rows) {
    const started = cpuMs();
    const problem = await problemsOf(path(file));
    t.match(problem, expected, file);
    t.notMatch(problem, /hunter2|salt|observe/, `${file}: nothing is quoted`);
    t.ok(cpuMs() - started < 5000, `${file}: bounded time`);
  }
});

void t.test('a private key is not taken for a public one, and not quoted', async (t) => {
  const path = write(t, {
    'a.yaml': policyText('one', 'rules: [{ type: signature, authorities: [{ name: k, key: { file: cosign.key } }] }]'),
    'cosign.key': '-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\nc2VjcmV0\n',
  });
  const problem = await problemsOf(path('a.yaml'));
  t.match(problem, /^spec\.rules\[0\]\.authorities\[0\]: key\.file: .*cosign\.key is not a public key in PEM$/);
  t.notMatch(problem, /c2VjcmV0/);
});
