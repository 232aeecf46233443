import { generateKeyPairSync, sign } from 'node:crypto';
import t from 'tap';
import { noCosign } from '../../component/cosign.ts';
import { noRegistry, OCI_INDEX, OCI_MANIFEST } from '../../component/registry.ts';
import { prepareSigning, pushReferrer } from './signing-setting.ts';

const skip = noRegistry || noCosign;
const SIGN = 'https://sigstore.dev/cosign/sign/v1';

await t.test('signatures that refer to the image', { skip }, async (t) => {
  const { registry, cosign, verify } = await prepareSigning(t);
  const key = await cosign.keyPair('one');
  const other = await cosign.keyPair('two');
  const predicate = cosign.file('predicate.json', '{}');
  const attest = (image: string, type: string): Promise<string> =>
    cosign.run([
      'attest',
      '--tlog-upload=false',
      '--new-bundle-format',
      `--key=${key.privateFile}`,
      `--type=${type}`,
      `--predicate=${predicate}`,
      `${registry.host}/${image}`,
    ]);

  await t.test('bundles, as cosign 3 signs', async (t) => {
    const digest = await registry.pushImage('team/bundle', 'v1', 'bundle');
    const image = `team/bundle@${digest}`;
    await attest(image, 'https://example.com/sbom');
    t.same(await verify(key, image), { state: 'unsigned' }, 'an attestation is no signature');
    await attest(image, SIGN);
    t.match(await verify(key, image), { state: 'verified' });
    t.same(await verify(other, image), { state: 'other-signer', by: 'another key' });
    t.match(await verify(key, image, { repository: `${registry.host}/team/bundle` }), { state: 'verified' });
    t.match(await verify(key, image, { repository: `${registry.host}/other` }), { state: 'invalid' });

    await t.test('under another image', async (t) => {
      const victim = await registry.pushImage('team/bundle', 'v2', 'victim');
      const list = await registry.send('GET', `/v2/team/bundle/manifests/${digest.replace(':', '-')}`);
      const index = JSON.parse(list.body.toString()) as { manifests: { digest: string; size: number }[] };
      await registry.pushManifest('team/bundle', victim.replace(':', '-'), index, OCI_INDEX);
      t.same(await verify(key, `team/bundle@${victim}`), { state: 'unsigned' }, 'its subject is the other one');
      const manifests: object[] = [];
      for (const entry of index.manifests) {
        const read = await registry.send('GET', `/v2/team/bundle/manifests/${entry.digest}`);
        const text = read.body.toString().replaceAll(digest, victim);
        const moved = await registry.pushManifest('team/bundle', '', JSON.parse(text) as object);
        manifests.push({ mediaType: OCI_MANIFEST, digest: moved, size: text.length });
      }
      await registry.pushManifest('team/bundle', victim.replace(':', '-'), { ...index, manifests }, OCI_INDEX);
      t.same(await verify(key, `team/bundle@${victim}`), {
        state: 'invalid',
        reason: 'the signature is for another image',
      });
    });
  });

  await t.test('payloads, as cosign 2 signs with oci-1-1', async (t) => {
    const digest = await registry.pushImage('team/oci', 'v1', 'oci');
    const mode = ['--registry-referrers-mode', 'oci-1-1'];
    const args = [
      'sign',
      '--key',
      key.privateFile,
      '--tlog-upload=false',
      ...mode,
      `${registry.host}/team/oci@${digest}`,
    ];
    await cosign.run(args, { COSIGN_EXPERIMENTAL: '1' });
    t.match(await verify(key, `team/oci@${digest}`), { state: 'verified' });
    t.match(await verify(other, `team/oci@${digest}`), { state: 'other-signer' });
  });

  await t.test('a message signature over the manifest', async (t) => {
    const digest = await registry.pushImage('team/message', 'v1', 'message');
    const manifest = (await registry.send('GET', `/v2/team/message/manifests/${digest}`)).body;
    const signer = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
    const pem = signer.publicKey.export({ type: 'spki', format: 'pem' }).toString();
    const push = async (data: Buffer): Promise<void> => {
      const bundle = {
        mediaType: 'application/vnd.dev.sigstore.bundle.v0.3+json',
        verificationMaterial: { publicKey: { hint: 'x' } },
        messageSignature: {
          messageDigest: { algorithm: 'SHA2_256', digest: Buffer.from(digest.slice(7), 'hex').toString('base64') },
          signature: sign('sha256', data, signer.privateKey).toString('base64'),
        },
      };
      await pushReferrer(registry, `team/message@${digest}`, JSON.stringify(bundle));
    };
    await push(manifest);
    t.match(await verify(pem, `team/message@${digest}`), { state: 'verified' });
    t.match(await verify(key, `team/message@${digest}`), { state: 'other-signer' });
    await push(Buffer.from('something else'));
    t.match(await verify(pem, `team/message@${digest}`), { state: 'other-signer' });
  });

  await t.test('hostile bundles', async (t) => {
    const digest = await registry.pushImage('team/hostile', 'v1', 'hostile');
    const image = `team/hostile@${digest}`;
    const mediaType = 'application/vnd.dev.sigstore.bundle.v0.3+json';
    const proof = (envelope: string): object => ({ inclusionProof: { checkpoint: { envelope } } });
    const material = { publicKey: { hint: 'x' } };
    for (const [name, bundle] of [
      ['empty', ''],
      ['no bundle', '{}'],
      ['deep', `{"a":${'['.repeat(100_000)}${']'.repeat(100_000)}}`],
      ['no content', JSON.stringify({ mediaType, verificationMaterial: material })],
      ['two keys', `{"mediaType":"${mediaType}","MediaType":"x"}`],
      [
        'a regular expression as a name',
        JSON.stringify({
          mediaType,
          verificationMaterial: { ...material, tlogEntries: [proof('x\n\n\u2014 (.*)*!$ AAAA\n')] },
        }),
      ],
      [
        'many entries',
        JSON.stringify({
          mediaType,
          verificationMaterial: { ...material, tlogEntries: Array.from({ length: 5 }, () => proof('')) },
        }),
      ],
      ['large', `"${'x'.repeat(1_100_000)}"`],
    ] as const) {
      await pushReferrer(registry, image, bundle);
      const started = performance.now();
      t.match(await verify(key, image), { state: 'invalid' }, name);
      t.ok(performance.now() - started < 20_000);
    }
    for (const version of ['0.4', '0.10', '1.0']) {
      const later = { mediaType: `application/vnd.dev.sigstore.bundle.v${version}+json`, verificationMaterial: {} };
      await pushReferrer(registry, image, JSON.stringify(later));
      t.match(await verify(key, image), { state: 'unknown', reason: /version that is not supported/ }, version);
    }
    for (const [name, payload] of [
      ['no JSON', 'x'],
      ['null', 'null'],
    ] as const) {
      const envelope = {
        payload: Buffer.from(payload).toString('base64'),
        payloadType: 'application/vnd.in-toto+json',
        signatures: [{ sig: 'AAAA' }],
      };
      await pushReferrer(
        registry,
        image,
        JSON.stringify({ mediaType, verificationMaterial: material, dsseEnvelope: envelope }),
      );
      t.match(await verify(key, image), { state: 'other-signer' }, name);
    }
  });
});
