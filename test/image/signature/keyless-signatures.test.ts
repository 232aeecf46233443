import t from 'tap';
import { createRegistryClient } from '../../../image/registry/registry-client.ts';
import { parseTrustedRoot } from '../../../image/signature/trusted-root.ts';
import { verifySignatures } from '../../../image/signature/verify-signatures.ts';
import type { SignatureEvidence } from '../../../policy/evidence.ts';
import { noCosign, prepareCosign } from '../../component/cosign.ts';
import { noRegistry, startRegistry } from '../../component/registry.ts';
import { startSigstore, TEST_ISSUER } from '../../component/sigstore.ts';
import type { TrustedRootJson } from '../../component/sigstore.ts';

const IDENTITY = 'https://github.com/example/app/.github/workflows/release.yml@refs/tags/v1';

await t.test('signatures with certificates', { skip: noRegistry || noCosign }, async (t) => {
  const registry = await startRegistry(t);
  const client = createRegistryClient({ registry: registry.host, plainHttp: true });
  t.teardown(() => client.close());
  const cosign = prepareCosign(t, registry);
  const sigstore = await startSigstore(t);
  const { trustedRoot } = sigstore;

  const verify = async (
    image: string,
    { identity = IDENTITY, issuer = TEST_ISSUER, root = trustedRoot, annotations = {} } = {},
  ): Promise<SignatureEvidence['result']> => {
    const parsed = parseTrustedRoot(Buffer.from(JSON.stringify(root)));
    if (!parsed.ok) throw new Error(parsed.reason);
    const [path = '', digest = ''] = image.split('@');
    const authority = { id: 'test', kind: 'keyless', verifier: parsed.value, issuer, identity, annotations } as const;
    const [evidence] = await verifySignatures({ client, path, digest, deadlineMs: 5000, authorities: [authority] });
    return evidence?.result ?? { state: 'unknown', reason: 'no result' };
  };

  const image = `team/app@${await registry.pushImage('team/app', 'v1', 'app')}`;
  t.same(await verify(image), { state: 'unsigned' });
  await sigstore.sign(cosign, IDENTITY, ['sign', '-a', 'env=prod', `${registry.host}/${image}`]);

  await t.test('identities', async (t) => {
    const by = `${IDENTITY} (${TEST_ISSUER})`;
    t.same(await verify(image), { state: 'verified', by });
    t.match(await verify(image, { identity: 'https://github.com/example/app/*@refs/tags/v*' }), { state: 'verified' });
    t.match(await verify(image, { annotations: { env: 'prod' } }), { state: 'verified' });
    t.match(await verify(image, { annotations: { env: 'test' } }), { state: 'invalid', reason: /annotation/ });
    for (const identity of [
      'https://github.com/example/app',
      'https://github.com/example/app/',
      'github.com/example/*',
      IDENTITY.replaceAll('.', '_'),
      `${IDENTITY}x`,
      '.*',
      '',
    ])
      t.same(await verify(image, { identity }), { state: 'other-signer', by }, identity);
    for (const issuer of ['https://issuer.example.com.evil.test', 'https://issuer.example', '*', ''])
      t.same(await verify(image, { issuer }), { state: 'other-signer', by }, issuer);
  });

  await t.test('a bundle, as cosign 3 signs', async (t) => {
    const other = `team/bundle@${await registry.pushImage('team/bundle', 'v1', 'bundle')}`;
    const predicate = cosign.file('predicate.json', '{}');
    const type = 'https://sigstore.dev/cosign/sign/v1';
    const options = ['--new-bundle-format', `--type=${type}`, `--predicate=${predicate}`];
    await sigstore.sign(cosign, IDENTITY, ['attest', ...options, `${registry.host}/${other}`]);
    t.match(await verify(other), { state: 'verified' });
    t.match(await verify(other, { identity: 'someone@example.com' }), { state: 'other-signer' });
  });

  await t.test('what was changed', async (t) => {
    const [path = '', digest = ''] = image.split('@');
    const place = `/v2/${path}/manifests/${digest.replace(':', '-')}.sig`;
    const original = (await registry.send('GET', place)).body.toString();
    const manifest = JSON.parse(original) as { layers: { annotations: Record<string, string> }[] };
    const annotations = manifest.layers[0]?.annotations ?? {};
    const entry = annotations['dev.sigstore.cosign/bundle'] ?? '';
    const change = async (name: string, changed: Record<string, string>): Promise<SignatureEvidence['result']> => {
      const layers = [{ ...manifest.layers[0], annotations: { ...annotations, ...changed } }];
      await registry.pushManifest(path, place.split('/').at(-1) ?? '', { ...manifest, layers });
      t.comment(name);
      return verify(image);
    };
    const time = /"integratedTime":(\d+)/.exec(entry)?.[1] ?? '';
    for (const [name, changed, state] of [
      [
        'the time of the log',
        { 'dev.sigstore.cosign/bundle': entry.replace(time, String(Number(time) + 1)) },
        'invalid',
      ],
      ['no log entry', { 'dev.sigstore.cosign/bundle': '' }, 'invalid'],
      ['a log entry that is no JSON', { 'dev.sigstore.cosign/bundle': '{' }, 'invalid'],
      ['no certificate', { 'dev.sigstore.cosign/certificate': '' }, 'other-signer'],
      ['a certificate that is none', { 'dev.sigstore.cosign/certificate': 'x' }, 'invalid'],
      ['another signature', { 'dev.cosignproject.cosign/signature': 'MAYCAQECAQE=' }, 'invalid'],
    ] as const)
      t.match(await change(name, changed), { state }, name);

    // The certificate and log entry of another identity beside this signature.
    const thief = `team/thief@${await registry.pushImage('team/thief', 'v1', 'thief')}`;
    await sigstore.sign(cosign, 'thief@example.com', ['sign', `${registry.host}/${thief}`]);
    const stolen = await registry.send('GET', `/v2/team/thief/manifests/${thief.slice(11).replace(':', '-')}.sig`);
    const other = (JSON.parse(stolen.body.toString()) as typeof manifest).layers[0]?.annotations ?? {};
    t.match(await verify(thief), { state: 'other-signer', by: `thief@example.com (${TEST_ISSUER})` });
    for (const names of [
      ['dev.sigstore.cosign/certificate'],
      ['dev.sigstore.cosign/bundle'],
      ['dev.sigstore.cosign/certificate', 'dev.sigstore.cosign/bundle'],
    ])
      t.match(await change(names.join(), Object.fromEntries(names.map((name) => [name, other[name] ?? '']))), {
        state: /^(?:invalid|other-signer)$/,
      });
    t.match(await change('nothing', {}), { state: 'verified' });
  });

  await t.test('another Sigstore', async (t) => {
    const other = await startSigstore(t);
    t.match(await verify(image, { root: other.trustedRoot }), { state: 'other-signer', by: /trusted root/ });
    for (const [part, state] of [
      ['certificateAuthorities', 'other-signer'],
      ['ctlogs', 'other-signer'],
      ['tlogs', 'invalid'],
    ] as const)
      t.match(await verify(image, { root: { ...trustedRoot, [part]: other.trustedRoot[part] } }), { state }, part);
  });

  await t.test('an authority or log whose time was over', async (t) => {
    const validFor = { start: '2020-01-01T00:00:00Z', end: '2021-01-01T00:00:00Z' };
    const [authority] = trustedRoot.certificateAuthorities;
    const ended = [{ ...authority, validFor }];
    t.match(await verify(image, { root: { ...trustedRoot, certificateAuthorities: ended } }), {
      state: 'other-signer',
    });
    for (const [part, state] of [
      ['tlogs', 'invalid'],
      ['ctlogs', 'other-signer'],
    ] as const) {
      const [log] = trustedRoot[part] as readonly [{ readonly publicKey: object }];
      const logs = [{ ...log, publicKey: { ...log.publicKey, validFor } }];
      t.match(await verify(image, { root: { ...trustedRoot, [part]: logs } }), { state }, part);
    }
  });

  await t.test('a signature that was logged after the certificate had expired', async (t) => {
    const late = await startSigstore(t, { logTime: new Date(Date.now() + 3_600_000) });
    const expired = `team/late@${await registry.pushImage('team/late', 'v1', 'late')}`;
    const signed = late.sign(cosign, IDENTITY, ['sign', `${registry.host}/${expired}`]);
    // cosign checks this itself before it pushes: then there is no signature.
    const refused = await signed.then(() => false).catch(() => true);
    const result = await verify(expired, { root: late.trustedRoot });
    t.match(result, { state: refused ? 'unsigned' : 'other-signer' });
  });
});

await t.test('what is no trusted root', async (t) => {
  const { trustedRoot } = await startSigstore(t);
  const bytes = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));
  t.match(parseTrustedRoot(bytes(trustedRoot)), { ok: true });
  const damaged = JSON.parse(JSON.stringify(trustedRoot).replaceAll(/"rawBytes":"..../g, '"rawBytes":"AAAA')) as object;
  for (const [value, reason] of [
    [{}, /no trusted root/],
    [null, /not valid/],
    ['x', /no trusted root|not valid/],
    [{ ...trustedRoot, mediaType: 'x' }, /no trusted root/],
    [{ ...trustedRoot, tlogs: [] }, /no transparency log/],
    [{ ...trustedRoot, ctlogs: [] }, /no certificate transparency log/],
    [{ ...trustedRoot, certificateAuthorities: [] }, /no certificate authority/],
    [{ ...trustedRoot, certificateAuthorities: [{}] }, /not valid/],
    [damaged, /not valid/],
    ['x'.repeat(1_100_000), /larger/],
    ...invalidPeriods(trustedRoot),
  ] as const satisfies readonly (readonly [unknown, RegExp])[]) {
    const parsed = parseTrustedRoot(bytes(value));
    t.match(parsed.ok ? 'accepted' : parsed.reason, reason);
  }
});

/** A trusted root for each authority or log without a period of validity, or with one that means nothing. */
function invalidPeriods(root: TrustedRootJson): readonly (readonly [object, RegExp])[] {
  const [authority] = root.certificateAuthorities;
  const names = ['tlogs', 'ctlogs', 'certificateAuthorities', 'timestampAuthorities'] as const;
  const start = '2024-01-01T00:00:00Z';
  return names.flatMap((name) =>
    [
      [undefined, /since when it is valid/],
      [{}, /since when it is valid/],
      [{ end: start }, /since when it is valid/],
      [{ start: null }, /since when it is valid/],
      [{ start: 'soon' }, /no valid period/],
      [{ start, end: 'later' }, /no valid period/],
      [{ start, end: '2023-12-31T23:59:59Z' }, /no valid period/],
    ].map(([validFor, reason]) => {
      const [log] = root.tlogs as readonly [{ readonly publicKey: object }];
      const ofLog = { ...log, publicKey: { ...log.publicKey, validFor } };
      const part = name.endsWith('logs') ? ofLog : { ...authority, validFor };
      return [{ ...root, [name]: [...root[name], part] }, reason as RegExp] as const;
    }),
  );
}
