import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import t from 'tap';
import type { Test } from 'tap';
import { readArchiveMetadata } from '../../../image/policy/archive-metadata.ts';
import { dockerLayout, makeTar, ociLayout } from '../../fixture/image-archive.ts';
import { plimsoll, temporaryDirectory } from '../process.ts';
import type { Run } from '../process.ts';
import { OS_RELEASE, policyText, STATUS, worldOf } from './world.ts';

const layerOf = (status = STATUS): Promise<Buffer> =>
  makeTar([
    ['etc/os-release', OS_RELEASE],
    ['var/lib/dpkg/status', status],
  ]);

void t.test('archives of every form', async (t) => {
  const world = await worldOf(t, {
    'any.json': policyText({
      rules: [
        { type: 'vulnerability', severity: 'high' },
        { type: 'architecture', allow: ['amd64'] },
      ],
    }),
    'registry.json': policyText({ rules: [{ type: 'registry', allow: ['registry.example.com/**'] }] }),
  });
  const layer = await layerOf();
  const clean = await layerOf(STATUS.replaceAll('3.0.11-1~deb12u2', '3.0.14-1'));
  const write = (name: string, bytes: Uint8Array): string => {
    writeFileSync(world.path(name), bytes);
    return world.path(name);
  };
  const gate = (path: string, policy: string, ...args: readonly string[]): Promise<Run> =>
    plimsoll(['gate', path, '--vulndb', world.database, '--policy', world.path(policy), ...args]);
  const oci = write('oci.tar', await makeTar(ociLayout([layer])));
  const packed = write('oci.tar.gz', gzipSync(await makeTar(ociLayout([layer]))));
  const docker = write('docker.tar', await makeTar(dockerLayout([layer], ['registry.example.com/approved:1'])));
  const upgraded = write('upgraded.tar', await makeTar(ociLayout([layer, clean])));
  for (const [name, content] of ociLayout([layer])) {
    mkdirSync(dirname(join(world.path('layout'), name)), { recursive: true });
    writeFileSync(join(world.path('layout'), name), content);
  }
  const bytes = await makeTar(ociLayout([layer]));
  const frames = [bytes.subarray(0, 700), bytes.subarray(700)].map((part) => zstdCompressSync(part));
  t.match(await readArchiveMetadata(write('oci.tar.zst', Buffer.concat(frames)), new AbortController().signal), {
    ok: true,
  });
  const [first, second, third, directory, fixed, unnamed, named] = await Promise.all([
    gate(oci, 'any.json', '-o', 'json'),
    gate(packed, 'any.json'),
    gate(docker, 'any.json'),
    gate(world.path('layout'), 'any.json'),
    gate(upgraded, 'any.json'),
    gate(docker, 'registry.json'),
    gate(docker, 'registry.json', '--name', 'registry.example.com/shop/db:1'),
  ]);
  t.equal(first.code, 1, first.stderr);
  t.match(JSON.parse(first.stdout), { digest: /^sha256:/, reasons: [{ vulnerability: { id: 'CVE-2026-0001' } }] });
  t.equal(second.code, 1, second.stderr);
  t.equal(third.code, 1, third.stderr);
  t.match(third.stdout, /architecture-unknown/, 'its configuration names none');
  t.equal(directory.code, 1, directory.stderr);
  t.equal(fixed.code, 0, 'the upper layer counts');
  t.equal(unnamed.code, 3, 'the tag that an archive gives to itself is not believed');
  t.equal(named.code, 0);
});

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

async function reasonFor(t: Test, files: readonly (readonly [string, string | Uint8Array])[]): Promise<string> {
  const path = join(temporaryDirectory(t), 'image.tar');
  writeFileSync(path, await makeTar(files));
  const read = await readArchiveMetadata(path, new AbortController().signal);
  return read.ok ? 'ok' : read.reason;
}

void t.test('archives that mean two things are refused', async (t) => {
  const layer = await layerOf();
  const other = await makeTar([['etc/os-release', 'ID=alpine\n']]);
  const oci = ociLayout([layer]);
  const docker = dockerLayout([layer]);
  const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));
  const manifestOf = (files: readonly (readonly [string, string | Uint8Array])[]): { Config: string }[] =>
    JSON.parse(String(files.find(([name]) => name === 'manifest.json')?.[1])) as { Config: string }[];
  const otherDocker = dockerLayout([other]);
  const rows: Readonly<
    Record<string, readonly [files: readonly (readonly [string, string | Uint8Array])[], reason: RegExp]>
  > = {
    whole: [oci, /^ok$/],
    'the old form': [docker, /^ok$/],
    'nothing of an image': [[['a', 'b']], /has no manifest/],
    'two images in manifest.json': [
      [
        ...docker,
        ...otherDocker.filter(([name]) => name !== 'manifest.json'),
        ['manifest.json', json([...manifestOf(docker), ...manifestOf(otherDocker)])],
      ].filter((entry, index, all) => entry[0] !== 'manifest.json' || index === all.length - 1) as [
        string,
        Uint8Array,
      ][],
      /holds 2 images/,
    ],
    'manifest.json and index.json differ': [[...oci, ...otherDocker], /name different images/],
    'an entry twice': [[...docker, ...docker], /two entries of the same name/],
    'a configuration of another digest': [
      docker.map(
        ([name, content]) =>
          [
            name,
            name.endsWith('.json') && name !== 'manifest.json' ? Buffer.from('{"config":{"User":"1"}}') : content,
          ] as const,
      ),
      /another digest/,
    ],
    'a manifest that is not there': [oci.filter(([name]) => !/blobs/.test(name)), /does not hold the manifest/],
    'a digest that is a path': [
      [['index.json', json({ manifests: [{ digest: '../../../etc/passwd', mediaType: 'x' }] })]],
      /malformed index\.json/,
    ],
    'keys twice': [[['index.json', `{"manifests":[],"Manifests":[]}`]], /malformed index\.json/],
    'no image': [[['index.json', json({ manifests: [] })]], /holds 0 images/],
  };
  for (const [name, [files, reason]] of Object.entries(rows)) t.match(await reasonFor(t, files), reason, name);
  t.equal(sha256(layer).length, 64);
});

void t.test('files that are no archive', async (t) => {
  const directory = temporaryDirectory(t);
  const signal = new AbortController().signal;
  const reason = async (name: string, content?: Uint8Array): Promise<string> => {
    if (content !== undefined) writeFileSync(join(directory, name), content);
    const read = await readArchiveMetadata(join(directory, name), signal);
    return read.ok ? 'ok' : read.reason;
  };
  t.match(await reason('missing.tar'), /does not exist/);
  t.match(await reason('empty.tar', new Uint8Array()), /no manifest/);
  t.match(await reason('text.tar', Buffer.from('root:$6$salt:0:0\n'.repeat(100))), /no archive that can be read/);
  t.match(
    await reason('cut.tar', (await makeTar(ociLayout([await layerOf()]))).subarray(0, 2000)),
    /no archive|does not hold/,
  );
  t.match(await reason('bomb.tar.gz', gzipSync(Buffer.alloc(50 * 1024 * 1024))), /no manifest|no archive/);
  t.match(await reason('.'), /has no index\.json/);
});

void t.test('SBOMs of other people', async (t) => {
  /** As Trivy writes CycloneDX. */
  const bom = (parts: object = {}): string =>
    JSON.stringify({
      bomFormat: 'CycloneDX',
      specVersion: '1.6',
      version: 1,
      metadata: {
        timestamp: new Date().toISOString(),
        component: { type: 'container', name: 'app', 'bom-ref': 'app' },
      },
      components: [
        { type: 'operating-system', name: 'debian', version: '12.7', 'bom-ref': 'os' },
        {
          type: 'library',
          name: 'openssl',
          version: '3.0.11-1~deb12u2',
          purl: 'pkg:deb/debian/openssl@3.0.11-1~deb12u2?arch=amd64&distro=debian-12.7',
          'bom-ref': 'a',
          properties: [
            { name: 'aquasecurity:trivy:PkgType', value: 'debian' },
            { name: 'aquasecurity:trivy:SrcName', value: 'openssl' },
            { name: 'aquasecurity:trivy:SrcVersion', value: '3.0.11' },
            { name: 'aquasecurity:trivy:SrcRelease', value: '1~deb12u2' },
          ],
        },
      ],
      ...parts,
    });
  const world = await worldOf(t, {
    'good.cdx.json': bom(),
    'empty.json': bom({ components: [] }),
    'nameless.json': bom({
      components: [
        { type: 'library', name: 'openssl', version: '3.0.14-1', purl: 'pkg:deb/openssl@3.0.14-1', 'bom-ref': 'a' },
      ],
    }),
    'future.json': bom({ metadata: { timestamp: '2999-01-01T00:00:00Z' } }),
    'other.json': '{"hunter2":1}',
    'scan.json': policyText({ rules: [{ type: 'scan', maxAge: '1d' }] }),
    'user.json': policyText({ rules: [{ type: 'configuration', checks: ['image.default-user'] }] }),
  });
  const gate = (name: string, ...args: readonly string[]): Promise<Run> =>
    plimsoll(['gate', world.path(name), '--vulndb', world.database, ...args]);
  const [good, empty, nameless, future, other, user] = await Promise.all([
    gate('good.cdx.json', '--fail-on', 'high'),
    gate('empty.json', '--fail-on', 'high'),
    gate('nameless.json', '--fail-on', 'high'),
    gate('future.json', '--policy', world.path('scan.json')),
    gate('other.json', '--fail-on', 'high'),
    gate('good.cdx.json', '--policy', world.path('user.json')),
  ]);
  t.equal(good.code, 1, good.stderr + good.stdout);
  t.equal(empty.code, 3, 'an SBOM without a package proves nothing');
  t.equal(nameless.code, 3, 'packages of a distribution that is not named');
  t.equal(future.code, 3);
  t.equal(other.code, 2);
  t.notMatch(other.stderr, /hunter2/);
  t.equal(user.code, 3, 'an SBOM has no configuration');
});
