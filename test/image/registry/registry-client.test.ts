import { execFileSync, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { parseDockerConfig } from '../../../image/registry/credentials.ts';
import type { CredentialSource } from '../../../image/registry/credentials.ts';
import { createRegistryClient } from '../../../image/registry/registry-client.ts';
import type { RegistryClient } from '../../../image/registry/registry-client.ts';
import {
  digestOf,
  noRegistry,
  OCI_INDEX,
  OCI_MANIFEST,
  REGISTRY_USER,
  startRegistry,
} from '../../component/registry.ts';

const noSkopeo = spawnSync('skopeo', ['--version']).status === 0 ? false : 'no skopeo';
const ABSENT = `sha256:${'0'.repeat(64)}`;

function credentials(host: string, password = REGISTRY_USER.password): CredentialSource {
  const auth = Buffer.from(`${REGISTRY_USER.username}:${password}`).toString('base64');
  const parsed = parseDockerConfig(JSON.stringify({ auths: { [host]: { auth } } }));
  if (!parsed.ok) throw new Error(parsed.reason);
  return parsed.credentials;
}

await t.test('a registry with TLS and a password', { skip: noRegistry }, async (t) => {
  const registry = await startRegistry(t, { tls: true, password: true });
  const { host, ca } = registry;
  const digest = await registry.pushImage('team/app', 'v1', 'one');
  const client = createRegistryClient({ registry: host, ca, credentials: credentials(host) });
  t.teardown(() => client.close());

  await t.test('tags and manifests', async (t) => {
    t.same(await client.resolve('team/app', 'v1'), { ok: true, value: { digest, mediaType: OCI_MANIFEST } });
    const byTag = await client.manifest('team/app', 'v1');
    t.match(byTag, { ok: true, value: { kind: 'image', digest, layers: [{ sizeBytes: 3 }] } });
    t.same(await client.manifest('team/app', digest), byTag);
    t.match(await client.resolve('team/app', 'v2'), { ok: false, code: 'notFound' });
    t.match(await client.manifest('team/none', 'v1'), { ok: false, code: 'notFound' });
    t.match(await client.manifest('team/app', ABSENT), { ok: false, code: 'notFound' });
    t.match(await client.tags('team/app'), { ok: true, value: { tags: ['v1'], isComplete: true } });
    t.match(await client.tags('team/none'), { ok: false, code: 'notFound' });
  });

  await t.test('skopeo names the same digest and tags', { skip: noSkopeo }, async (t) => {
    const certs = ['--cert-dir', registry.directory, '--creds', `plimsoll:${REGISTRY_USER.password}`];
    writeFileSync(join(registry.directory, 'ca.crt'), ca);
    const run = (...args: string[]): string => execFileSync('skopeo', [...args, ...certs], { encoding: 'utf8' });
    t.equal(run('inspect', '--raw', `docker://${host}/team/app:v1`), (await raw('manifests/v1')).toString());
    t.equal(digestOf(await raw('manifests/v1')), digest);
    t.same((JSON.parse(run('list-tags', `docker://${host}/team/app`)) as { Tags: unknown }).Tags, ['v1']);
    async function raw(path: string): Promise<Buffer> {
      return (await registry.send('GET', `/v2/team/app/${path}`)).body;
    }
  });

  await t.test('blobs', async (t) => {
    const content = randomBytes(3_000_000);
    const blob = await registry.pushBlob('team/app', content);
    const read = await client.blob({ path: 'team/app', digest: blob.digest, sizeBytes: blob.size, maxBytes: 4e6 });
    t.ok(read.ok && read.value.equals(content));
    let parts = 0;
    t.same(
      await client.readBlob({ path: 'team/app', digest: blob.digest, maxBytes: 4e6 }, () => {
        parts += 1;
      }),
      { ok: true, value: content.length },
    );
    t.ok(parts > 1);
    for (const [limits, code] of [
      [{ maxBytes: 1000 }, 'tooLarge'],
      [{ maxBytes: 1000, sizeBytes: blob.size }, 'tooLarge'],
      [{ maxBytes: 4e6, sizeBytes: 10 }, 'tooLarge'],
      [{ maxBytes: 4e6, sizeBytes: blob.size + 1 }, 'malformed'],
    ] as const)
      t.match(await client.blob({ path: 'team/app', digest: blob.digest, ...limits }), { ok: false, code });
    t.match(await client.blob({ path: 'team/app', digest: ABSENT, maxBytes: 10 }), { ok: false, code: 'notFound' });
  });

  await t.test('content that was changed in the storage is not accepted', async (t) => {
    const blob = await registry.pushBlob('team/app', Buffer.from('right content'));
    const changed = await registry.pushImage('team/changed', 'v1', 'changed');
    const manifest = (await registry.send('GET', `/v2/team/changed/manifests/${changed}`)).body.toString();
    const store = (name: string, content: string): void => {
      const hex = name.slice(7);
      writeFileSync(join(registry.storage, 'docker/registry/v2/blobs/sha256', hex.slice(0, 2), hex, 'data'), content);
    };
    store(blob.digest, 'wrong content');
    store(changed, manifest.replace('"size":7', '"size":8'));
    t.match(await client.blob({ path: 'team/app', digest: blob.digest, maxBytes: 100 }), {
      ok: false,
      code: 'digestMismatch',
    });
    t.match(await client.manifest('team/changed', changed), { ok: false, code: 'digestMismatch' });
    t.match(await client.manifest('team/changed', 'v1'), { ok: false, code: 'digestMismatch' });
  });

  await t.test('an index and its platforms', async (t) => {
    const manifest = (await registry.send('GET', `/v2/team/app/manifests/${digest}`)).body;
    const entry = {
      mediaType: OCI_MANIFEST,
      digest,
      size: manifest.length,
      platform: { os: 'linux', architecture: 'amd64' },
    };
    const index = await registry.pushManifest(
      'team/app',
      'multi',
      { schemaVersion: 2, mediaType: OCI_INDEX, manifests: [entry] },
      OCI_INDEX,
    );
    t.match(await client.manifest('team/app', 'multi'), {
      ok: true,
      value: { kind: 'index', digest: index, manifests: [{ digest, platform: { architecture: 'amd64' } }] },
    });
  });

  await t.test('referrers by tag, where the registry has no referrers API', async (t) => {
    t.same(await client.referrers('team/app', digest), { ok: true, value: { manifests: [], isComplete: true } });
    const entry = { mediaType: OCI_MANIFEST, digest: ABSENT, size: 5, artifactType: 'application/x' };
    // docker-registry refuses an index whose entries it does not have.
    const own = { ...entry, digest, size: 1 };
    await registry.pushManifest(
      'team/app',
      digest.replace(':', '-'),
      { schemaVersion: 2, mediaType: OCI_INDEX, manifests: [own] },
      OCI_INDEX,
    );
    t.match(await client.referrers('team/app', digest), {
      ok: true,
      value: { manifests: [{ digest, artifactType: 'application/x' }], isComplete: true },
    });
  });

  await t.test('who may not', async (t) => {
    const wrong = credentials(host, 'wrong');
    const others: readonly (readonly [RegistryClient, string, RegExp, string?])[] = [
      [createRegistryClient({ registry: host, ca }), 'unauthorized', /needs credentials/, 'login'],
      [createRegistryClient({ registry: host, ca, credentials: wrong }), 'unauthorized', /refuses the.*401/, 'login'],
      [
        createRegistryClient({ registry: host, ca, credentials: credentials('x.test') }),
        'unauthorized',
        /needs/,
        'login',
      ],
      [
        createRegistryClient({ registry: host, credentials: credentials(host) }),
        'unreachable',
        /not trusted \(.*(?:SELF_SIGNED|VERIFY)/,
        'trust',
      ],
      [createRegistryClient({ registry: host, plainHttp: true }), 'malformed', /400/],
      [createRegistryClient({ registry: host, ca, refuseLocalAddresses: true }), 'unreachable', /loopback/],
    ];
    for (const [other, code, reason, remedy] of others) {
      t.match(await other.resolve('team/app', 'v1'), { ok: false, code, reason, remedy });
      other.close();
    }
  });

  await t.test('names that would reach something else are not asked', async (t) => {
    for (const path of ['../team/app', 'team/app/../x', 'team//app', 'Team', '', 'a?x', 'a#b', '%2e%2e', 'a\r\nx: y'])
      t.match(await client.manifest(path, 'v1'), { ok: false, code: 'malformed' }, path);
    for (const tag of ['../v1', 'a/b', '', 'v1?x', 'sha256:abc'])
      t.match(await client.manifest('team/app', tag), { ok: false, code: 'malformed' }, tag);
    t.match(await client.blob({ path: 'team/app', digest: 'sha256:x', maxBytes: 1 }), { code: 'malformed' });
    t.match(await client.referrers('team/app', '../x'), { code: 'malformed' });
  });
});

await t.test('a registry without TLS is asked only where that is allowed', { skip: noRegistry }, async (t) => {
  const registry = await startRegistry(t);
  const digest = await registry.pushImage('app', 'v1', 'x');
  const client = createRegistryClient({ registry: registry.host, plainHttp: true });
  t.match(await client.resolve('app', 'v1'), { ok: true, value: { digest } });
  client.close();
  const secure = createRegistryClient({ registry: registry.host });
  t.match(await secure.resolve('app', 'v1'), { ok: false, code: 'unreachable', reason: /TLS/ });
  secure.close();
});
