import { generateKeyPairSync, sign } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { createRegistryClient } from '../../../image/registry/registry-client.ts';
import { parsePublicKey } from '../../../image/signature/public-key.ts';
import { noCosign } from '../../component/cosign.ts';
import { noRegistry, OCI_MANIFEST } from '../../component/registry.ts';
import type { TestRegistry } from '../../component/registry.ts';
import { prepareSigning } from './signing-setting.ts';

const skip = noRegistry || noCosign;
const SIMPLE_SIGNING = 'application/vnd.dev.cosign.simplesigning.v1+json';

/** The manifest of the tag that holds the signatures of cosign. */
async function signatureManifest({ send }: TestRegistry, image: string): Promise<SignatureManifest> {
  const [path = '', digest = ''] = image.split('@');
  const read = await send('GET', `/v2/${path}/manifests/${digest.replace(':', '-')}.sig`);
  return JSON.parse(read.body.toString()) as SignatureManifest;
}

interface SignatureManifest {
  readonly layers: { mediaType: string; digest: string; size: number; annotations: Record<string, string> }[];
}

/** Replaces a blob in the storage of the registry, which does not notice. */
function overwrite({ storage }: TestRegistry, digest: string, content: string): void {
  const hex = digest.slice(7);
  writeFileSync(join(storage, 'docker/registry/v2/blobs/sha256', hex.slice(0, 2), hex, 'data'), content);
}

await t.test('signatures with a key, in the layout of cosign 1 and 2', { skip }, async (t) => {
  const { registry, cosign, verify } = await prepareSigning(t);
  const key = await cosign.keyPair('one');
  const other = await cosign.keyPair('two');
  const digest = await registry.pushImage('team/app', 'v1', 'one');
  const image = `team/app@${digest}`;
  const tag = `${digest.replace(':', '-')}.sig`;
  t.same(await verify(key, image), { state: 'unsigned' });

  await cosign.sign(key, image, '-a', 'env=prod');
  t.match(await verify(key, image), { state: 'verified', by: /^key [\w+/]{43}=$/ });
  await cosign.run([
    'verify',
    '--insecure-ignore-tlog',
    '--key',
    key.privateFile.replace('.key', '.pub'),
    `${registry.host}/${image}`,
  ]);
  t.same(await verify(other, image), { state: 'other-signer', by: 'another key' });
  t.match(await verify(key, image, { annotations: { env: 'prod' } }), { state: 'verified' });
  for (const annotations of [
    { env: 'test' },
    { env: 'prod', by: 'x' },
    JSON.parse('{"__proto__":"x"}') as Record<string, string>,
  ])
    t.match(await verify(key, image, { annotations }), { state: 'invalid', reason: /annotation/ });

  await cosign.sign(other, image);
  t.match(await verify(key, image), { state: 'verified' }, 'of two signatures one counts');
  t.match(await verify(other, image), { state: 'verified' });

  await t.test('a tag that was moved to an image without a signature', async (t) => {
    const moved = await registry.pushImage('team/app', 'v1', 'evil');
    t.same(await verify(key, `team/app@${moved}`), { state: 'unsigned' });
    t.match(await verify(key, image), { state: 'verified' });
  });

  await t.test('the signature of another image', async (t) => {
    const victim = await registry.pushImage('team/app', 'victim', 'victim');
    const manifest = await signatureManifest(registry, image);
    await registry.pushManifest('team/app', `${victim.replace(':', '-')}.sig`, manifest);
    t.same(await verify(key, `team/app@${victim}`), { state: 'invalid', reason: 'the signature is for another image' });

    const [first] = manifest.layers;
    if (first === undefined) throw new Error('no signature');
    const payload = (await registry.send('GET', `/v2/team/app/blobs/${first.digest}`)).body.toString();
    const forged = await registry.pushBlob('team/app', Buffer.from(payload.replaceAll(digest, victim)));
    const layers = [{ ...first, ...forged }];
    await registry.pushManifest('team/app', `${victim.replace(':', '-')}.sig`, { ...manifest, layers });
    t.match(await verify(key, `team/app@${victim}`), { state: 'other-signer' }, 'a payload that was changed');
    for (const signature of ['', '!!', Buffer.alloc(64).toString('base64'), 'A'.repeat(200_000)]) {
      const annotations = { 'dev.cosignproject.cosign/signature': signature };
      const broken = { ...manifest, layers: [{ ...first, annotations }] };
      await registry.pushManifest('team/app', `${victim.replace(':', '-')}.sig`, broken);
      t.match(await verify(key, `team/app@${victim}`), { state: 'other-signer' });
    }
  });

  await t.test('an image that was copied with its signature', async (t) => {
    const copy = await registry.pushImage('mirror/app', 'v1', 'one');
    t.equal(copy, digest);
    const { layers, ...rest } = await signatureManifest(registry, image);
    for (const layer of layers)
      await registry.pushBlob('mirror/app', (await registry.send('GET', `/v2/team/app/blobs/${layer.digest}`)).body);
    const configuration = (rest as unknown as { config: { digest: string } }).config.digest;
    await registry.pushBlob('mirror/app', (await registry.send('GET', `/v2/team/app/blobs/${configuration}`)).body);
    await registry.pushManifest('mirror/app', tag, { ...rest, layers });
    const repository = `${registry.host}/mirror/app`;
    t.match(await verify(key, `mirror/app@${digest}`), { state: 'verified' });
    t.match(await verify(key, `mirror/app@${digest}`, { repository }), {
      state: 'invalid',
      reason: /another repository/,
    });
    t.match(await verify(key, image, { repository: `${registry.host}/team/app` }), { state: 'verified' });
  });

  await t.test('content of the registry that was changed', async (t) => {
    const changed = await registry.pushImage('team/changed', 'v1', 'changed');
    await cosign.sign(key, `team/changed@${changed}`);
    t.match(await verify(key, `team/changed@${changed}`), { state: 'verified' });
    const [layer] = (await signatureManifest(registry, `team/changed@${changed}`)).layers;
    const payload = (await registry.send('GET', `/v2/team/changed/blobs/${layer?.digest ?? ''}`)).body.toString();
    overwrite(registry, layer?.digest ?? '', payload.replace('atomic', 'Atomic').replace('cosign', 'Cosign'));
    t.match(await verify(key, `team/changed@${changed}`), { state: 'invalid', reason: /digest/ });
  });

  await t.test('more signatures than are read', async (t) => {
    const many = await registry.pushImage('team/many', 'v1', 'many');
    const payload = JSON.stringify({ critical: {} });
    const blob = await registry.pushBlob('team/many', Buffer.from(payload));
    const config = await registry.pushBlob('team/many', Buffer.from('{}'));
    const layer = { mediaType: SIMPLE_SIGNING, ...blob, annotations: { 'dev.cosignproject.cosign/signature': 'AAAA' } };
    const manifest = (count: number): object => ({
      schemaVersion: 2,
      mediaType: OCI_MANIFEST,
      config: { mediaType: 'application/vnd.oci.image.config.v1+json', ...config },
      layers: Array.from({ length: count }, () => layer),
    });
    const place = `${many.replace(':', '-')}.sig`;
    await registry.pushManifest('team/many', place, manifest(33));
    t.match(await verify(key, `team/many@${many}`), { state: 'unknown', reason: /more than 32/ });
    await registry.pushManifest('team/many', place, manifest(32));
    t.match(await verify(key, `team/many@${many}`), { state: 'other-signer' });
    t.match(await verify(key, `team/many@${many}`, { deadlineMs: 0 }), { state: 'unknown', reason: /deadline/ });
  });

  await t.test('a registry that does not answer', async (t) => {
    for (const registryName of ['127.0.0.1:1', 'not a host']) {
      const client = createRegistryClient({ registry: registryName });
      t.match(await verify(key, image, { client }), { state: 'unknown' });
      client.close();
    }
    const anonymous = createRegistryClient({ registry: registry.host, ca: registry.ca });
    t.match(await verify(key, image, { client: anonymous }), { state: 'unknown', reason: /credentials/ });
    anonymous.close();
  });
});

await t.test('all kinds of keys', { skip }, async (t) => {
  const { registry, cosign, verify } = await prepareSigning(t);
  const spki = { type: 'spki', format: 'pem' } as const;
  const p384 = generateKeyPairSync('ec', { namedCurve: 'secp384r1' });
  for (const [name, hash, pair] of [
    ['rsa', 'sha256', generateKeyPairSync('rsa', { modulusLength: 2048 })],
    ['p384-sha256', 'sha256', p384],
    ['p384-sha384', 'sha384', p384],
    ['p521', 'sha512', generateKeyPairSync('ec', { namedCurve: 'secp521r1' })],
    ['ed25519', null, generateKeyPairSync('ed25519')],
  ] as const) {
    const image = `kinds/${name}@${await registry.pushImage(`kinds/${name}`, 'v1', name)}`;
    const payload = await cosign.run(['generate', `${registry.host}/${image}`]);
    const signature = sign(hash, Buffer.from(payload), pair.privateKey).toString('base64');
    const files = ['--payload', cosign.file('payload', payload), '--signature', cosign.file('signature', signature)];
    await cosign.run(['attach', 'signature', ...files, `${registry.host}/${image}`]);
    const pem = pair.publicKey.export(spki).toString();
    t.match(await verify(pem, image), { state: 'verified' }, name);
    await cosign
      .run(['verify', '--insecure-ignore-tlog', '--key', cosign.file('key.pub', pem), `${registry.host}/${image}`])
      .catch(
        // Versions of cosign differ in the hash that they use with these curves.
        (error: unknown) =>
          t.ok(name.startsWith('p384-sha384') || name === 'p521', `cosign: ${name}: ${String(error)}`),
      );
  }
});

await t.test('texts that are no public key', (t) => {
  const spki = { type: 'spki', format: 'pem' } as const;
  const good = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const pem = good.publicKey.export(spki).toString();
  for (const [text, reason] of [
    ['', /not one public key/],
    [good.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(), /private key/],
    [`${pem}${pem}`, /not one/],
    [pem.replace('MFkw', 'AAAA'), /damaged/],
    [generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).publicKey.export(spki).toString(), /curve/],
    [generateKeyPairSync('x25519').publicKey.export(spki).toString(), /type/],
    [generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey.export(spki).toString(), /2048/],
    ['x'.repeat(20_000), /too large/],
  ] as const) {
    const parsed = parsePublicKey(text);
    t.match(parsed.ok ? 'accepted' : parsed.reason, reason);
  }
  t.ok(parsePublicKey(`\n${pem}\n`).ok);
  t.end();
});
