import t from 'tap';
import { parseSnapshot } from '../../../policy/snapshot.ts';
import { decideFromSnapshot } from '../../../policy/decide-from-snapshot.ts';
import { encodeInventory } from '../../../proto/inventory-codec.ts';
import { noCosign, prepareCosign } from '../../component/cosign.ts';
import { pushDebianImage } from '../../component/debian-image.ts';
import { noRegistry, startRegistry } from '../../component/registry.ts';
import { TOKEN } from '../api/server.ts';
import { askUntil, startRolloutCollector } from './rollout-collector.ts';

const skip = noRegistry || noCosign;

await t.test('one image in several repositories, scanned and then run', { skip }, async (t) => {
  const registry = await startRegistry(t, { tls: true, password: true });
  const cosign = prepareCosign(t, registry);
  const release = await cosign.keyPair('release');
  const push = (repository: string) =>
    pushDebianImage(registry, { repository, tag: '1' }, { packages: { openssl: '3.0.2' } });
  const image = await push('shop/signed');
  await cosign.sign(release, `shop/signed@${image.digest}`);
  for (const repository of ['shop/unsigned', 'shop/later', 'mirror/signed'])
    t.equal((await push(repository)).digest, image.digest);
  const rules = [
    { type: 'registry', allow: [`${registry.host}/shop/*`] },
    { type: 'signature', authorities: [{ name: 'release', key: { pem: release.publicPem } }] },
    { type: 'vulnerability', severity: 'critical' },
  ];
  const { server, policies, putNode, store } = await startRolloutCollector(t, registry, {
    advisories: [{ id: 'CVE-2026-1001', package: 'openssl', fixed: '3.0.2' }],
    policy: JSON.stringify({
      apiVersion: 'plimsoll.dev/v1',
      kind: 'ImagePolicy',
      metadata: { name: 'all' },
      spec: { unscannedImages: 'scan', rules },
    }),
  });
  const decide = (repository: string, digest = image.digest) => {
    const parsed = parseSnapshot(JSON.parse(Buffer.from(policies.snapshot()?.content ?? []).toString() || '{}'));
    if (!parsed.ok) return [];
    const subject = { reference: `${registry.host}/${repository}@${digest}`, digest: undefined, namespace: undefined };
    const { outcome, reasons, wantsScan } = decideFromSnapshot(subject, parsed.value, Date.now());
    return [outcome, ...reasons.map(({ code }) => code), ...(wantsScan ? ['scan'] : [])];
  };
  const becomes = async (repository: string, expected: readonly string[], message: string): Promise<void> => {
    const read = (): Promise<readonly string[]> => Promise.resolve(decide(repository));
    t.strictSame(await askUntil(read, (found) => found.join() === expected.join(), 60_000), expected, message);
  };
  const scan = async (repository: string): Promise<void> => {
    const headers = { 'content-type': 'application/json', authorization: `Bearer ${TOKEN}` };
    const body = JSON.stringify({ image: `${registry.host}/${repository}@${image.digest}` });
    t.equal((await server.fetch('/v1/policies/scans', { method: 'POST', headers, body })).status, 200);
  };

  await scan('shop/unsigned');
  await becomes('shop/unsigned', ['deny', 'signature-missing'], 'the repository without the signature');
  await becomes('shop/signed', ['couldNotTell', 'signature-unknown', 'scan'], 'nobody has looked there yet');
  await scan('shop/signed');
  await becomes('shop/signed', ['allow'], 'the same image is signed here');
  t.strictSame(decide('shop/unsigned'), ['deny', 'signature-missing'], 'that signature counts nowhere else');
  t.strictSame(decide('shop/later'), ['couldNotTell', 'signature-unknown', 'scan'], 'it was pushed there as well');
  t.strictSame(decide('mirror/signed').slice(0, 2), ['deny', 'registry-not-allowed'], 'not an approved repository');

  // A node runs it from both repositories, and reads it through a container, with a package that was put in there.
  const container = (id: string, name: string) => {
    return { id, name: id, image: `${registry.host}/${name}:1`, imageId: image.imageId, startedAt: '' };
  };
  await putNode('n1', [container('c1', 'shop/unsigned'), container('c2', 'shop/signed')]);
  const found = {
    distribution: { id: 'debian', versionId: '12', codename: 'bookworm', like: [] },
    packages: [{ type: 'deb' as const, name: 'openssl', version: '3.0.1', path: '/var/lib/dpkg/status' }],
    gaps: [],
  };
  const { digest, bytes } = await encodeInventory(found);
  const claim = { imageId: image.imageId, digest, source: 'container', problem: '' } as const;
  await store.images.putClaims('n1', [claim], { isWhole: false, atMs: Date.now() });
  await store.images.putInventory(digest, found, bytes, Date.now());
  policies.notify();
  await askUntil(
    () => Promise.resolve(policies.verdictsOf(image.imageId).flatMap(({ digests }) => digests)),
    (digests) => digests.includes(image.imageId) && digests.includes(image.digest),
  );
  const running = policies.snapshot()?.version ?? 0;
  // The registry is asked about both running references before the next snapshot.
  await askUntil(
    () => Promise.resolve(policies.tagsOf(image.imageId).filter(({ state }) => state === 'same').length),
    (same) => same === 2,
  );
  await becomes('shop/signed', ['allow'], 'a container adds no gap to what was read from the layers');
  t.strictSame(decide('shop/unsigned'), ['deny', 'signature-missing']);
  t.ok((policies.snapshot()?.version ?? 0) >= running);
  t.strictSame(
    policies.simulate(undefined).map(({ name, decision }) => [name.split('/').at(-1), decision.outcome]),
    [
      ['unsigned:1', 'deny'],
      ['signed:1', 'allow'],
    ],
  );
  const vulnerable = await askUntil(
    () => store.images.vulnerabilitiesOf([digest]),
    (vulnerabilities) => vulnerabilities.length > 0,
  );
  t.match(vulnerable, [{ vulnerability: { id: 'CVE-2026-1001' } }], 'what runs is still matched');
});
