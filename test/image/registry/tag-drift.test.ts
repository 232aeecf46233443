import t from 'tap';
import { createRegistryClient } from '../../../image/registry/registry-client.ts';
import { compareTag, readTagDrift } from '../../../image/registry/tag-drift.ts';
import { noRegistry, OCI_INDEX, OCI_MANIFEST, startRegistry } from '../../component/registry.ts';

await t.test('a tag that moves', { skip: noRegistry }, async (t) => {
  const registry = await startRegistry(t);
  const client = createRegistryClient({ registry: registry.host, plainHttp: true });
  t.teardown(() => client.close());
  const first = await registry.pushImage('app', 'stable', 'one');
  const running = { path: 'app', tag: 'stable', digests: [first] };
  t.same(await readTagDrift(client, running), { state: 'same', digest: first });

  const second = await registry.pushImage('app', 'stable', 'two');
  t.not(first, second);
  t.same(await readTagDrift(client, running), { state: 'moved', digest: second });

  const { length: size } = (await registry.send('GET', `/v2/app/manifests/${first}`)).body;
  const platform = { os: 'linux', architecture: 'amd64' };
  const index = await registry.pushManifest(
    'app',
    'stable',
    { schemaVersion: 2, mediaType: OCI_INDEX, manifests: [{ mediaType: OCI_MANIFEST, digest: first, size, platform }] },
    OCI_INDEX,
  );
  t.same(await readTagDrift(client, running), { state: 'same', digest: index }, 'what runs is one platform of it');
  t.same(await readTagDrift(client, { ...running, digests: [second] }), { state: 'moved', digest: index });

  t.equal((await registry.send('DELETE', `/v2/app/manifests/${index}`)).status, 202);
  t.same(await readTagDrift(client, running), { state: 'gone' });
  t.same(await readTagDrift(client, { ...running, path: 'other' }), { state: 'gone' });
  t.match(await readTagDrift(client, { ...running, digests: [] }), {
    state: 'unknown',
    reason: /no repository digest/,
  });
});

await t.test('a registry that cannot be asked proves nothing', async (t) => {
  const client = createRegistryClient({ registry: '127.0.0.1:1', plainHttp: true });
  const digests = [`sha256:${'a'.repeat(64)}`];
  t.match(await readTagDrift(client, { path: 'app', tag: 'v1', digests }), {
    state: 'unknown',
    reason: /ECONNREFUSED/,
  });
  client.close();
  for (const code of ['unauthorized', 'unreachable', 'malformed', 'rateLimited', 'timeout', 'tooLarge'] as const)
    t.match(compareTag(digests, { ok: false, code, reason: 'x' }, undefined), { state: 'unknown' }, code);
});
