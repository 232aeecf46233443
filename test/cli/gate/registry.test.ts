import { mkdirSync, writeFileSync } from 'node:fs';
import t from 'tap';
import { noCosign, prepareCosign } from '../../component/cosign.ts';
import { noRegistry, OCI_INDEX, OCI_MANIFEST, REGISTRY_USER, startRegistry } from '../../component/registry.ts';
import type { TestRegistry } from '../../component/registry.ts';
import { makeTar } from '../../fixture/image-archive.ts';
import { plimsoll } from '../process.ts';
import type { Run } from '../process.ts';
import { OS_RELEASE, policyText, STATUS, worldOf } from './world.ts';
import type { World } from './world.ts';

/** Pushes an image with a dpkg database; resolves to the digest of its manifest. */
async function push(registry: TestRegistry, repository: string, tag: string, status = STATUS): Promise<string> {
  const layer = await registry.pushBlob(
    repository,
    await makeTar([
      ['etc/os-release', OS_RELEASE],
      ['var/lib/dpkg/status', status],
    ]),
  );
  const config = await registry.pushBlob(
    repository,
    Buffer.from(
      JSON.stringify({
        os: 'linux',
        architecture: 'amd64',
        created: new Date().toISOString(),
        config: { User: '10001' },
        rootfs: { type: 'layers', diff_ids: [layer.digest] },
      }),
    ),
  );
  return registry.pushManifest(repository, tag, {
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    config: { mediaType: 'application/vnd.oci.image.config.v1+json', ...config },
    layers: [{ mediaType: 'application/vnd.oci.image.layer.v1.tar', ...layer }],
  });
}

const CLEAN = STATUS.replaceAll('3.0.11-1~deb12u2', '3.0.14-1');

/** A Docker configuration with the password of the registry. */
function login(world: World, registry: TestRegistry): Record<string, string> {
  const auth = Buffer.from(`${REGISTRY_USER.username}:${REGISTRY_USER.password}`).toString('base64');
  mkdirSync(world.path('docker'));
  writeFileSync(world.path('docker/config.json'), JSON.stringify({ auths: { [registry.host]: { auth } } }));
  return { DOCKER_CONFIG: world.path('docker') };
}

void t.test('images of a registry with TLS and a password', { skip: noRegistry }, async (t) => {
  const world = await worldOf(t);
  const registry = await startRegistry(t, { tls: true, password: true });
  const environment = login(world, registry);
  const gate = (reference: string, ...args: readonly string[]): Promise<Run> =>
    plimsoll(
      ['gate', `${registry.host}/${reference}`, '--vulndb', world.database, '--registry-ca', registry.caFile, ...args],
      environment,
    );
  const vulnerable = await push(registry, 'shop/db', '1');
  const clean = await push(registry, 'shop/db', '2', CLEAN);
  const index = await registry.pushManifest(
    'shop/db',
    'multi',
    {
      schemaVersion: 2,
      mediaType: OCI_INDEX,
      manifests: [
        { mediaType: OCI_MANIFEST, digest: clean, size: 1, platform: { os: 'linux', architecture: 'amd64' } },
      ],
    },
    OCI_INDEX,
  );
  const rules = ['--fail-on', 'high'];
  const [bad, good, byDigest, confused, missing, other] = await Promise.all([
    gate('shop/db:1', ...rules, '-o', 'json'),
    gate('shop/db:2', ...rules),
    gate(`shop/db@${vulnerable}`, ...rules),
    gate(`shop/db:2@${vulnerable}`, ...rules),
    gate('shop/db:3', ...rules),
    gate('shop/db:multi', ...rules, '--platform', 'linux/riscv64'),
  ]);
  t.equal(bad.code, 1, bad.stderr);
  t.match(JSON.parse(bad.stdout), { digest: vulnerable });
  t.equal(good.code, 0, good.stderr);
  t.equal(byDigest.code, 1);
  t.equal(confused.code, 1, 'the digest decides, not the tag of a good image');
  t.equal(missing.code, 2);
  t.match(missing.stderr, /shop\/db/);
  t.equal(other.code, 2);
  t.match(other.stderr, /not there for linux\/riscv64/);
  const multi = await gate('shop/db:multi', ...rules, '--platform', 'linux/amd64', '-o', 'json');
  t.match(JSON.parse(multi.stdout), { digest: index, outcome: 'allow' });
  const [untrusted, anonymous] = await Promise.all([
    plimsoll(['gate', `${registry.host}/shop/db:2`, ...rules], environment),
    plimsoll(['gate', `${registry.host}/shop/db:2`, ...rules, '--registry-ca', registry.caFile]),
  ]);
  t.equal(untrusted.code, 3, 'a registry that cannot be verified tells nothing');
  t.equal(anonymous.code, 3);
  const wrong = { auths: { [registry.host]: { ...REGISTRY_USER, password: 'other-password' } } };
  mkdirSync(world.path('wrong'));
  writeFileSync(world.path('wrong/config.json'), JSON.stringify(wrong));
  const plain = await startRegistry(t);
  const [refused, noTls] = await Promise.all([
    plimsoll(['gate', `${registry.host}/shop/db:2`, ...rules, '--registry-ca', registry.caFile], {
      DOCKER_CONFIG: world.path('wrong'),
    }),
    plimsoll(['gate', `${plain.host}/shop/db:2`, ...rules]),
  ]);
  for (const [run, problem, hint] of [
    [untrusted, /certificate of the server is not trusted \([A-Z_]+\)/, /--registry-ca FILE/],
    [anonymous, /needs credentials/, /docker login/],
    [refused, /refuses the credentials of localhost:\d+ \(HTTP 401\)/, /docker login/],
    [noTls, /does not speak TLS/, /--plain-http/],
  ] as const) {
    t.equal(run.code, 3);
    t.match(run.stderr, problem);
    t.match(run.stderr, hint);
    t.notMatch(run.stderr, /other-password/);
  }
  for (const { stderr } of [untrusted, anonymous]) t.notMatch(stderr, new RegExp(REGISTRY_USER.password));
  t.equal((await plimsoll(['gate', 'localhost:1/shop/db:2', '--plain-http', ...rules])).code, 3, 'nobody listens');
});

void t.test('signatures of cosign', { skip: noRegistry || noCosign }, async (t) => {
  const world = await worldOf(t);
  const registry = await startRegistry(t, { tls: true, password: true });
  const environment = login(world, registry);
  const cosign = prepareCosign(t, registry);
  const [key, other] = [await cosign.keyPair('release'), await cosign.keyPair('other')];
  writeFileSync(world.path('release.pub'), key.publicPem);
  writeFileSync(world.path('other.pub'), other.publicPem);
  for (const name of ['release', 'other'])
    writeFileSync(
      world.path(`${name}.json`),
      policyText({ rules: [{ type: 'signature', authorities: [{ name, key: { file: `${name}.pub` } }] }] }),
    );
  const signed = await push(registry, 'shop/db', 'signed', CLEAN);
  await push(registry, 'shop/db', 'unsigned', STATUS);
  await cosign.sign(key, `shop/db@${signed}`);
  const gate = (tag: string, policy: string): Promise<Run> =>
    plimsoll(
      [
        'gate',
        `${registry.host}/shop/db:${tag}`,
        '--registry-ca',
        registry.caFile,
        '--policy',
        world.path(`${policy}.json`),
      ],
      environment,
    );
  const [good, unsigned, wrong] = [
    await gate('signed', 'release'),
    await gate('unsigned', 'release'),
    await gate('signed', 'other'),
  ];
  t.equal(good.code, 0, good.stdout + good.stderr);
  t.equal(unsigned.code, 1);
  t.match(unsigned.stdout, /signature-missing/);
  t.equal(wrong.code, 1);
  t.match(wrong.stdout, /signature-not-trusted/);
});
