import { join } from 'node:path';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import type { Test } from 'tap';
import { followRunningImages } from '../../../collector/image/running-images.ts';
import { createPolicyJudgement } from '../../../collector/policy/policy-findings.ts';
import { startPolicyService } from '../../../collector/policy/policy-service.ts';
import { createEventBus } from '../../../collector/store/event-bus.ts';
import { openSqliteStore } from '../../../collector/store/sqlite.ts';
import { decideFromSnapshot, digestOfTag } from '../../../policy/decide-from-snapshot.ts';
import { parseReference } from '../../../policy/reference.ts';
import { parseSnapshot } from '../../../policy/snapshot.ts';
import { systemClock } from '../../../service/clock.ts';
import { noCosign, prepareCosign } from '../../component/cosign.ts';
import { noRegistry, OCI_INDEX, OCI_MANIFEST, REGISTRY_USER, startRegistry } from '../../component/registry.ts';
import type { TestRegistry } from '../../component/registry.ts';
import { document, HOUR, NO_ANNOTATIONS } from '../../fixture/image-evidence.ts';
import { nodeRow } from '../store/fleet.ts';

const quiet = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

/** The id of an image as runtimes call it: the digest of its configuration. */
async function idOf(registry: TestRegistry, repository: string, digest: string): Promise<string> {
  const manifest = JSON.parse(
    (await registry.send('GET', `/v2/${repository}/manifests/${digest}`)).body.toString(),
  ) as {
    readonly config: { readonly digest: string };
  };
  return manifest.config.digest;
}

interface Running {
  readonly image: string;
  readonly imageId: string;
}

/** A collector with these rules and running containers, which may ask these registries. */
async function startService(
  t: Test,
  registry: TestRegistry,
  { rules, images, registries = [registry.host] }: { rules: object[]; images: Running[]; registries?: string[] },
) {
  const auth = Buffer.from(`${REGISTRY_USER.username}:${REGISTRY_USER.password}`).toString('base64');
  const directory = t.testdir({
    'policy.yaml': JSON.stringify(document(rules)),
    'config.json': JSON.stringify({ auths: { [registry.host]: { auth } } }),
  });
  const store = await openSqliteStore({ path: join(directory, 'store.sqlite') });
  const containers = images.map(({ image, imageId }, index) => {
    const id = `c${String(index)}`;
    return { id, name: id, image, imageId, startedAt: '' };
  });
  await store.putNodes([nodeRow({ containers })]);
  const stop = new AbortController();
  const service = await startPolicyService({
    settings: {
      policies: join(directory, 'policy.yaml'),
      dataDir: directory,
      vulndb: join(directory, 'vulndb.sqlite'),
      vulndbMaxAge: HOUR,
      registries,
      registryCredentials: join(directory, 'config.json'),
      registryCa: registry.caFile === '' ? 'system' : registry.caFile,
      registryCheckInterval: 1000,
    },
    images: store.images,
    running: await followRunningImages(store, createEventBus()),
    database: () => ({ state: 'missing', problem: '' }),
    annotations: () => NO_ANNOTATIONS,
    inventoryWorker: new URL('../../../image/inventory/worker.ts', import.meta.url),
    clock: systemClock(),
    log: quiet,
    signal: stop.signal,
  });
  t.teardown(async () => {
    stop.abort();
    await service.over;
    await store.close();
  });
  const snapshot = () => {
    const parsed = parseSnapshot(JSON.parse(Buffer.from(service.snapshot()?.content ?? '').toString() || '{}'));
    return parsed.ok ? parsed.value : undefined;
  };
  const decide = (reference: string, digest?: string): readonly string[] => {
    const current = snapshot();
    if (current === undefined) return [];
    const { outcome, reasons } = decideFromSnapshot({ reference, digest, namespace: undefined }, current, Date.now());
    return [outcome, ...new Set(reasons.map(({ code }) => code))];
  };
  return { service, snapshot, decide };
}

/** Waits until `read` gives the expected value, and compares it. */
async function becomes(t: Test, read: () => unknown, expected: unknown, message: string): Promise<void> {
  for (let left = 300; left > 0 && JSON.stringify(read()) !== JSON.stringify(expected); left -= 1) await delay(100);
  t.strictSame(read(), expected, message);
}

await t.test('signatures and configuration of running images', { skip: noRegistry || noCosign }, async (t) => {
  const registry = await startRegistry(t, { tls: true, password: true });
  const cosign = prepareCosign(t, registry);
  const [release, other] = [await cosign.keyPair('release'), await cosign.keyPair('other')];
  const push = async (tag: string) => {
    const digest = await registry.pushImage('shop/db', tag, tag);
    return { digest, image: `${registry.host}/shop/db:${tag}`, imageId: await idOf(registry, 'shop/db', digest) };
  };
  const [signed, unsigned, wrong] = [await push('signed'), await push('unsigned'), await push('wrong')];
  await registry.pushImage('copy/db', 'signed', 'signed');
  const copied = { image: `${registry.host}/copy/db:signed`, imageId: signed.imageId };
  await cosign.sign(release, `shop/db@${signed.digest}`);
  await cosign.sign(other, `shop/db@${wrong.digest}`);
  const rules = [
    { type: 'signature', authorities: [{ name: 'release', key: { pem: release.publicPem } }] },
    { type: 'architecture', allow: ['amd64'] },
  ];
  const { decide, snapshot, service } = await startService(t, registry, {
    rules,
    images: [signed, unsigned, wrong, copied],
  });
  await becomes(t, () => decide(signed.image, signed.digest), ['allow'], 'signed');
  await becomes(t, () => decide(unsigned.image, unsigned.digest), ['deny', 'signature-missing'], 'unsigned');
  await becomes(t, () => decide(wrong.image, wrong.digest), ['deny', 'signature-not-trusted'], 'wrong key');
  await becomes(t, () => decide(copied.image, signed.digest), ['deny', 'signature-missing'], 'in another repository');
  const findings = createPolicyJudgement({ ...service.findingSources, clock: systemClock() });
  const judged = [signed, unsigned, wrong, copied].flatMap(({ image, imageId }) => {
    const container = { id: 'c', name: 'c', image, imageId, startedAt: '' };
    return findings.judge(imageId, [container], new Map()).map(({ check, verdict }) => `${check} ${verdict}`);
  });
  t.strictSame(
    judged,
    ['pass', 'fail', 'fail', 'fail'].map((verdict) => `image.signature ${verdict}`),
  );
  t.equal(digestOfTag(signed.image, snapshot() ?? { byTag: new Map() })?.digest, signed.digest);
  t.match(service.simulate(undefined), [
    { decision: { outcome: 'deny' } },
    {},
    {},
    { name: signed.image, enforced: 'allow' },
  ]);
  t.strictSame(
    decide(signed.image, signed.imageId),
    ['couldNotTell', 'signature-unknown'],
    'a signature belongs to a manifest, not to the id of an image',
  );
});

await t.test('a tag that moves, and a registry that goes', { skip: noRegistry }, async (t) => {
  const registry = await startRegistry(t, { tls: true });
  const first = await registry.pushImage('app', 'stable', 'one');
  const { length: size } = (await registry.send('GET', `/v2/app/manifests/${first}`)).body;
  const platform = { os: 'linux', architecture: 'amd64' };
  const entry = { mediaType: OCI_MANIFEST, digest: first, size, platform };
  const index = await registry.pushManifest(
    'app',
    'stable',
    { schemaVersion: 2, mediaType: OCI_INDEX, manifests: [entry] },
    OCI_INDEX,
  );
  const image = { image: `${registry.host}/app:stable`, imageId: await idOf(registry, 'app', first) };
  const rules = [{ type: 'architecture', allow: ['amd64'] }];
  const { decide, service } = await startService(t, registry, { rules, images: [image] });
  const state = () => service.tagsOf(image.imageId).map(({ state: word, digest }) => [word, digest]);
  await becomes(t, state, [['same', index]], 'the index names the image that runs');
  await becomes(t, () => decide(image.image, index), ['allow'], 'by the index');
  t.strictSame(decide(image.image, first), ['allow'], 'by the manifest');
  const second = await registry.pushImage('app', 'stable', 'two');
  await becomes(t, state, [['moved', second]], 'moved');
  t.strictSame(decide(image.image, first), ['allow'], 'what is known of the image that runs stays known');
  t.strictSame(decide(image.image, second), ['couldNotTell', 'not-scanned'], 'nothing is known of the other');
  await registry.send('DELETE', `/v2/app/manifests/${second}`);
  await becomes(t, () => state().map(([word]) => word), ['gone'], 'gone');
});

await t.test('what must not be asked, and what does not answer', { skip: noRegistry }, async (t) => {
  const registry = await startRegistry(t, { tls: true });
  const digest = await registry.pushImage('app', '1', 'one');
  const imageId = await idOf(registry, 'app', digest);
  const name = `${registry.host}/app:1`;
  const rules = [{ type: 'architecture', allow: ['amd64'] }];
  const unlisted = await startService(t, registry, {
    rules,
    images: [{ image: name, imageId }],
    registries: ['other.example.com'],
  });
  await becomes(
    t,
    () => unlisted.decide(name, imageId),
    ['couldNotTell', 'architecture-unknown'],
    'no registry is asked',
  );
  t.strictSame(unlisted.service.tagsOf(imageId), []);

  const lying = `sha256:${'d'.repeat(64)}`;
  const node = await startService(t, registry, { rules, images: [{ image: name, imageId: lying }] });
  await becomes(
    t,
    () => node.service.tagsOf(lying).map(({ state }) => state),
    ['moved'],
    'a node that claims another image for the tag',
  );
  await becomes(
    t,
    () => node.decide(name, digest),
    ['couldNotTell', 'not-scanned'],
    'gives the manifest no verdict of that image',
  );

  const closed = '127.0.0.1:1';
  const dead = await startService(t, registry, {
    rules,
    images: [{ image: `${closed}/app:1`, imageId }],
    registries: [closed],
  });
  await becomes(t, () => dead.service.tagsOf(imageId).map(({ state }) => state), ['unknown'], 'never same');
  await becomes(t, () => dead.service.tagsOf(imageId).map(({ reason }) => /ECONNREFUSED/.test(reason)), [true], 'why');
});

/** An image of Debian with one package, which no node runs. */
async function pushDebian(registry: TestRegistry): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), 'plimsoll-layer-'));
  mkdirSync(join(directory, 'etc'));
  mkdirSync(join(directory, 'var/lib/dpkg'), { recursive: true });
  writeFileSync(join(directory, 'etc/os-release'), 'ID=debian\nVERSION_ID=12\nVERSION_CODENAME=bookworm\n');
  const fields = ['Package: zlib1g', 'Status: install ok installed', 'Version: 1:1.2.13', 'Architecture: amd64'];
  writeFileSync(join(directory, 'var/lib/dpkg/status'), `${fields.join('\n')}\n\n`);
  const content = execFileSync('tar', ['-C', directory, '-cf', '-', 'etc', 'var']);
  rmSync(directory, { recursive: true });
  const layer = await registry.pushBlob('debian', content);
  const architecture = process.arch === 'x64' ? 'amd64' : process.arch;
  const configuration = { architecture, os: 'linux', rootfs: { type: 'layers', diff_ids: [layer.digest] } };
  const config = await registry.pushBlob('debian', Buffer.from(JSON.stringify(configuration)));
  return registry.pushManifest('debian', '12', {
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    config: { mediaType: 'application/vnd.oci.image.config.v1+json', ...config },
    layers: [{ mediaType: 'application/vnd.oci.image.layer.v1.tar', ...layer }],
  });
}

await t.test('an image that no node runs is scanned on request', { skip: noRegistry }, async (t) => {
  const registry = await startRegistry(t, { tls: true });
  const digest = await pushDebian(registry);
  const rules = [{ type: 'package', forbid: [{ name: 'zlib1g' }] }];
  const { decide, service } = await startService(t, registry, { rules, images: [] });
  const name = `${registry.host}/debian:12`;
  await becomes(t, () => decide(name, digest), ['couldNotTell', 'not-scanned'], 'not known before');
  const request = (text: string) => {
    const parsed = parseReference(text);
    return parsed.ok ? service.requestScan(parsed.value) : parsed.reason;
  };
  t.equal(request('registry.example.com/app:1'), 'forbidden');
  t.match(request(name), { state: 'waiting' });
  t.match(request(name), { state: /waiting|running/ }, 'asked twice, scanned once');
  t.match(request(`${registry.host}/nothing:1`), { state: 'waiting' });
  await becomes(t, () => decide(name, digest), ['deny', 'package-forbidden'], 'scanned');
  await becomes(t, () => service.scans().map(({ state }) => state), ['done', 'failed'], 'states');
  t.match(service.scans(), [{ digest }, { digest: '', reason: /nothing/ }]);
  const { TMPDIR } = process.env;
  process.env['TMPDIR'] = '/proc/none';
  t.match(request(`${name}@${digest}`), { state: 'waiting' });
  await becomes(t, () => service.scans().at(-1)?.state, 'failed', 'no room');
  if (TMPDIR === undefined) delete process.env['TMPDIR'];
  else process.env['TMPDIR'] = TMPDIR;
  t.match(service.scans().at(-1)?.reason, 'the temporary directory /proc/none cannot be used: ENOENT');
});
