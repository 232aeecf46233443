import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import t from 'tap';
import { parseChallenges } from '../../../image/registry/auth-challenge.ts';
import { loadDockerConfig, parseDockerConfig } from '../../../image/registry/credentials.ts';
import { cpuMs } from '../../fixture/cpu-time.ts';

const base64 = (text: string): string => Buffer.from(text).toString('base64');

await t.test('credentials by registry and repository', (t) => {
  const parsed = parseDockerConfig(
    JSON.stringify({
      auths: {
        'https://index.docker.io/v1/': { auth: base64('hub:a:b') },
        'r.example:5000': { auth: base64('r:secret') },
        'https://v2.example/v2/': { username: 'v2', password: 'x' },
        'quay.example/team': { auth: base64('team:1') },
        'quay.example/team/app': { auth: base64('app:2') },
        'quay.example': { auth: base64('all:3') },
        'acr.example': { auth: base64('00000000-0000-0000-0000-000000000000:'), identitytoken: 'refresh' },
        'token.example': { registrytoken: 'bearer' },
        'empty.example': {},
        __proto__: { auth: base64('x:y') },
      },
      credHelpers: { 'gcr.example': 'gcr' },
    }),
  );
  if (!parsed.ok) throw new Error(parsed.reason);
  for (const [registry, path, expected] of [
    ['docker.io', 'library/alpine', { username: 'hub', password: 'a:b' }],
    ['R.EXAMPLE:5000', 'a', { username: 'r', password: 'secret' }],
    ['v2.example', 'a', { username: 'v2', password: 'x' }],
    ['quay.example', 'team/app', { username: 'app' }],
    ['quay.example', 'team/app/x', { username: 'app' }],
    ['quay.example', 'team/application', { username: 'team' }],
    ['quay.example', 'teams/app', { username: 'all' }],
    ['acr.example', 'a', { kind: 'identityToken', token: 'refresh' }],
    ['token.example', 'a', { kind: 'registryToken', token: 'bearer' }],
  ] as const)
    t.match(parsed.credentials(registry, path), { state: 'found', credentials: expected }, `${registry}/${path}`);
  t.match(parsed.credentials('gcr.example', 'a'), { state: 'unsupported', reason: /helper/ });
  for (const registry of ['r.example', 'r.example:5001', 'xr.example:5000', 'empty.example', '__proto__'])
    t.same(parsed.credentials(registry, 'a'), { state: 'absent' }, registry);
  t.end();
});

await t.test('a store of credentials is named', (t) => {
  const parsed = parseDockerConfig(JSON.stringify({ auths: { 'r.example': {} }, credsStore: 'desktop' }));
  t.match(parsed.ok && parsed.credentials('r.example', 'a'), { state: 'unsupported' });
  t.end();
});

await t.test('files that are no configuration', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'plimsoll-credentials-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const path = join(directory, 'config.json');
  const absent = await loadDockerConfig(path);
  t.same(absent.ok && absent.credentials('r.example', 'a'), { state: 'absent' });
  for (const content of ['', '[]', '{"auths":[]}', '{"auths":{"r":{"auth":5}}}', `"${'x'.repeat(1_100_000)}"`]) {
    writeFileSync(path, content);
    t.match(await loadDockerConfig(path), { ok: false, reason: path }, content.slice(0, 20));
  }
  t.match(await loadDockerConfig(directory), { ok: false, reason: /not a file|EISDIR/ });
  t.match(await loadDockerConfig('/dev/zero'), { ok: false, reason: /not a file/ });
  writeFileSync(path, '{"auths":{"r.example":{"auth":"secret-that-is-not-base64","username":3}}}');
  const wrong = await loadDockerConfig(path);
  t.notMatch(wrong.ok ? '' : wrong.reason, /secret/);
});

await t.test('challenges', (t) => {
  const shape = (header: string): unknown =>
    parseChallenges(header).map(({ scheme, parameters }) => [scheme, Object.fromEntries(parameters)]);
  const realm = 'https://auth.example/token';
  for (const [header, expected] of [
    // The example of the token specification of the distribution project.
    [
      'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push"',
      [
        [
          'bearer',
          { realm: 'https://auth.docker.io/token', service: 'registry.docker.io', scope: 'repository:a/b:pull,push' },
        ],
      ],
    ],
    [`bearer Realm="${realm}" , SERVICE=x`, [['bearer', { realm, service: 'x' }]]],
    [
      'Basic realm="a \\"quoted\\" one", Bearer realm="x"',
      [
        ['basic', { realm: 'a "quoted" one' }],
        ['bearer', { realm: 'x' }],
      ],
    ],
    [
      'Negotiate, Basic realm="x"',
      [
        ['negotiate', {}],
        ['basic', { realm: 'x' }],
      ],
    ],
    ['Bearer realm="first",realm="second"', [['bearer', { realm: 'first' }]]],
    ['Bearer realm="unclosed', [['bearer', { realm: '' }]]],
    ['realm="x"', []],
    ['', []],
    ['"', []],
  ] as const)
    t.same(shape(header), expected, header);
  const started = cpuMs();
  for (const header of [
    ',\\'.repeat(1e5),
    'a="'.repeat(1e5),
    ' ,'.repeat(1e5),
    `Bearer x="${'\\'.repeat(1e5)}`,
    'a '.repeat(1e5),
  ])
    t.ok(parseChallenges(header).length <= 8);
  t.ok(cpuMs() - started < 500);
  fc.assert(fc.property(fc.string({ unit: 'binary' }), (header) => parseChallenges(header).length >= 0));
  t.end();
});
