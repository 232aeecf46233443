import { createHash } from 'node:crypto';
import t from 'tap';
import { createRegistryClient } from '../../../image/registry/registry-client.ts';
import { parseTrustedRoot } from '../../../image/signature/trusted-root.ts';
import { verifySignatures } from '../../../image/signature/verify-signatures.ts';
import { noCosign, prepareCosign } from '../../component/cosign.ts';
import { noRegistry, startRegistry } from '../../component/registry.ts';
import { startSigstore, TEST_ISSUER } from '../../component/sigstore.ts';
import { pushReferrer } from './signing-setting.ts';

const IDENTITY = 'release@example.com';

/** A bundle of cosign, as far as this test changes it. */
interface Bundle {
  readonly verificationMaterial: { readonly certificate: { readonly rawBytes: string } };
  readonly dsseEnvelope: {
    readonly payload: string;
    readonly payloadType: string;
    readonly signatures: readonly [{ readonly sig: string }];
  };
}

// https://github.com/sigstore/rekor-tiles: an envelope is logged as hashedrekord 0.0.2, with the hash of what is signed.
await t.test('entries of an envelope in the log', { skip: noRegistry || noCosign }, async (t) => {
  const registry = await startRegistry(t);
  const client = createRegistryClient({ registry: registry.host, plainHttp: true });
  t.teardown(() => client.close());
  const cosign = prepareCosign(t, registry);
  const sigstore = await startSigstore(t);
  const root = parseTrustedRoot(Buffer.from(JSON.stringify(sigstore.trustedRoot)));
  if (!root.ok) throw new Error(root.reason);
  const digest = await registry.pushImage('team/app', 'v1', 'app');
  const image = `team/app@${digest}`;
  const options = ['--new-bundle-format', '--type=https://sigstore.dev/cosign/sign/v1'];
  const predicate = `--predicate=${cosign.file('predicate.json', '{}')}`;
  await sigstore.sign(cosign, IDENTITY, ['attest', ...options, predicate, `${registry.host}/${image}`]);
  const list = await registry.send('GET', `/v2/team/app/manifests/${digest.replace(':', '-')}`);
  const [referrer] = (JSON.parse(list.body.toString()) as { manifests: { digest: string }[] }).manifests;
  const manifest = await registry.send('GET', `/v2/team/app/manifests/${referrer?.digest ?? ''}`);
  const [layer] = (JSON.parse(manifest.body.toString()) as { layers: { digest: string }[] }).layers;
  const blob = await registry.send('GET', `/v2/team/app/blobs/${layer?.digest ?? ''}`);
  const bundle = JSON.parse(blob.body.toString()) as Bundle;

  const { rawBytes } = bundle.verificationMaterial.certificate;
  const { payload, payloadType, signatures } = bundle.dsseEnvelope;
  const content = Buffer.from(payload, 'base64');
  const signed = Buffer.concat([
    Buffer.from(`DSSEv1 ${String(payloadType.length)} ${payloadType} ${String(content.length)} `),
    content,
  ]);
  const sha256 = (data: Buffer): string => createHash('sha256').update(data).digest('base64');
  const hashed = (digest: string, signature: string, apiVersion = '0.0.2') => {
    const verifier = { keyDetails: 'PKIX_ECDSA_P256_SHA_256', x509Certificate: { rawBytes } };
    const hashedRekordV002 = {
      data: { algorithm: 'SHA2_256', digest },
      signature: { content: signature, verifier },
    };
    return { apiVersion, kind: 'hashedrekord', spec: { hashedRekordV002 } };
  };
  const later = { apiVersion: '0.0.1', kind: 'later', spec: {} };
  const { sig } = signatures[0];

  const judge = async (entries: readonly object[], changed: object = {}) => {
    const material = { x509CertificateChain: { certificates: [{ rawBytes }] }, tlogEntries: entries };
    const mediaType = 'application/vnd.dev.sigstore.bundle+json;version=0.1';
    const text = JSON.stringify({ ...bundle, mediaType, verificationMaterial: material, ...changed });
    await pushReferrer(registry, image, text);
    const authority = {
      id: 'a',
      kind: 'keyless',
      verifier: root.value,
      issuer: TEST_ISSUER,
      identity: IDENTITY,
    } as const;
    const authorities = [authority, { ...authority, identity: 'other@example.com' }];
    const results = await verifySignatures({ client, path: 'team/app', digest, deadlineMs: 5000, authorities });
    return results.map(({ result }) => ('reason' in result ? `${result.state}: ${result.reason}` : result.state));
  };
  const good = await sigstore.logEntry(hashed(sha256(signed), sig));

  t.same(await judge([good]), ['verified', 'other-signer']);
  for (const [name, entry] of [
    ['the hash of the payload', hashed(sha256(content), sig)],
    ['another signature', hashed(sha256(signed), Buffer.from('x').toString('base64'))],
    ['no hash', hashed('', sig)],
    ['a version 0.0.1 with the fields of 0.0.2', hashed(sha256(signed), sig, '0.0.1')],
  ] as const)
    for (const result of await judge([await sigstore.logEntry(entry)])) t.match(result, /^invalid/, name);
  const two = { dsseEnvelope: { payload, payloadType, signatures: [...signatures, ...signatures] } };
  for (const result of await judge([good], two)) t.match(result, /^invalid/, 'two signatures');

  await t.test('a kind that is not known is not supported, if the log has it', async (t) => {
    // Two entries of one log in the same second are a duplicate for the library.
    const unknown = await sigstore.logEntry(later, new Date(Date.now() + 5000));
    for (const entries of [
      [unknown],
      [await sigstore.logEntry({ ...later, kind: 'hashedrekord', apiVersion: '0.0.3' })],
      [good, unknown],
    ])
      for (const result of await judge(entries)) t.match(result, /^unknown: .*not supported/);
    const canonicalizedBody = Buffer.from(JSON.stringify(later)).toString('base64');
    const kindVersion = { kind: 'later', version: '0.0.1' };
    for (const forged of [
      { ...good, kindVersion },
      { ...good, canonicalizedBody, kindVersion },
    ])
      for (const result of await judge([forged])) t.match(result, /^invalid/, 'the bundle alone says so');
  });
});
