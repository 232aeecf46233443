import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import protobuf from 'protobufjs';
import t from 'tap';
import { createRestingImages } from '../../../agent/image/resting-images.ts';
import type { StoredImage } from '../../../agent/image/engine-images.ts';
import type { TakenInventory } from '../../../agent/image/read-source.ts';
import { createLinuxHost } from '../../../agent/host/linux.ts';
import { decodeInventory } from '../../../proto/inventory-codec.ts';
import { testDocker } from '../../component/docker.ts';
import { startCriServer } from '../runtime/cri/cri-server.ts';
import { noContainerd, startContainerd, POD_IMAGE } from '../runtime/cri/own-containerd.ts';
import { noPodman, ownPodman } from '../runtime/docker/own-podman.ts';

const LAYER = 'application/vnd.oci.image.layer.v1.tar+gzip';

const WORKER = new URL('../../../image/inventory/worker.ts', import.meta.url);
const { signal } = new AbortController();

/** The images of an engine, as the agent of its node reads them. */
function restingImagesOf(name: string, endpoint: string) {
  const host = createLinuxHost({ root: '/' });
  const access = { host, runtime: { name, endpoint }, engines: { others: () => Promise.resolve([]) } };
  return createRestingImages({ access: access as never, hostRoot: '/', worker: WORKER });
}

async function contentOf(taken: TakenInventory): Promise<object> {
  if (!taken.ok) return taken;
  const decoded = await decodeInventory(taken.inventory);
  if (!decoded.ok) throw new Error(decoded.problem);
  const { packages, setuid, gaps, distribution } = decoded.value;
  return {
    source: taken.source,
    distribution: distribution?.versionId,
    packages: packages.map(({ name }) => name),
    setuid: setuid?.files.map(({ path }) => path),
    gaps: gaps.length,
  };
}

const status = (...names: readonly string[]): string =>
  names
    .map((name) => `Package: ${name}\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1.0-1\n`)
    .join('\n');

/**
 * The context of an image whose second step replaces the database of packages, deletes a setuid file, and hides a whole
 * directory: none of what is hidden may be found.
 */
function writeContext(directory: string): void {
  const write = (path: string, content: string): void => {
    mkdirSync(join(directory, path, '..'), { recursive: true });
    writeFileSync(join(directory, path), content);
  };
  write('one/etc/os-release', 'ID=debian\nVERSION_ID="12"\n');
  write('one/var/lib/dpkg/status', status('hidden-by-file'));
  write('one/var/lib/dpkg/status.d/old', status('hidden-by-directory'));
  write('one/usr/bin/rootme', 'x');
  write('one/usr/bin/stays', 'x');
  for (const name of ['rootme', 'stays']) chmodSync(join(directory, 'one/usr/bin', name), 0o4755);
  write('two/status', status('bash', 'vulnerable'));
}

const EXPECTED = {
  source: 'layers',
  distribution: '12',
  packages: ['bash', 'vulnerable'],
  setuid: ['/usr/bin/stays'],
  gaps: 0,
};
const found = testDocker();
const noEngine = 'reason' in found ? found.reason : noPodman;

await t.test('Podman and CRI-O: layers in their storage', { skip: noEngine }, async (t) => {
  if ('reason' in found) return;
  const own = ownPodman(found.docker.endpoint, 0, 'overlay');
  t.teardown(() => own.stop());
  const { archive, remove } = makeImage();
  t.teardown(remove);
  own.podman('load', '--input', archive);
  await own.startService();
  const images = restingImagesOf('podman', own.endpoint);
  const listed = await images.list();
  const stored = (listed.ok ? listed.images : []).find(({ names }) => names.includes('localhost/packages:1'));
  t.match(stored, { engine: own.endpoint });
  if (stored === undefined) return;
  t.match(await contentOf(await images.take(stored, signal)), EXPECTED);

  // CRI-O has the same storage; it says where by the CRI.
  const graphRoot = own.podman('info', '--format', '{{.Store.GraphRoot}}');
  const text = (field: number, value: string | Uint8Array): Buffer => {
    const writer = protobuf.Writer.create().uint32((field << 3) | 2);
    return Buffer.from((typeof value === 'string' ? writer.string(value) : writer.bytes(value)).finish());
  };
  const image = Buffer.concat([text(1, stored.imageId.slice(7)), text(2, 'localhost/packages:1')]);
  const socket = await startCriServer(t, ({ method }) => ({
    bytes: method.endsWith('ListImages')
      ? text(1, image)
      : text(1, text(2, text(1, join(graphRoot, 'overlay-images')))),
  }));
  const crio = restingImagesOf('cri-o', `unix://${socket}`);
  t.match(await crio.list(), { ok: true, images: [{ imageId: stored.imageId, names: ['localhost/packages:1'] }] });
  const ofCrio = { ...stored, engine: `unix://${socket}` };
  t.match(await contentOf(await crio.take(ofCrio, signal)), EXPECTED);

  const list = join(graphRoot, 'overlay-layers/layers.json');
  const before = readFileSync(list, 'utf8');
  const attacks: readonly (readonly [string, string, RegExp])[] = [
    ['no JSON', '[{', /malformed/],
    ['another digest', before.replaceAll(/"diff-digest":"sha256:../g, '"diff-digest":"sha256:zz'), /another digest/],
    ['a path', before.replaceAll(/"id":"[0-9a-f]{64}"/g, '"id":"../../../../etc"'), /not stored/],
    ['no list', '{"layers":1}', /malformed/],
  ];
  for (const [name, content, problem] of attacks) {
    writeFileSync(list, content);
    t.match(await crio.take(ofCrio, signal), { ok: false, problem }, name);
  }
  writeFileSync(list, before);
  own.podman('rmi', 'localhost/packages:1');
  t.match(await images.take(stored, signal), { ok: false, problem: /not known|no such image/ }, 'deleted');
});

await t.test('containerd: layers in its content store', { skip: noContainerd }, async (t) => {
  const own = await startContainerd();
  t.teardown(() => own.stop());
  const { archive, remove } = makeImage();
  t.teardown(remove);
  own.ctr('-n', 'k8s.io', 'images', 'import', '--base-name', 'localhost/packages', archive);
  const images = restingImagesOf('containerd', own.endpoint);
  const find = async (name: RegExp): Promise<StoredImage | undefined> => {
    for (let left = 600; left > 0; left -= 1) {
      const listed = await images.list();
      const stored = listed.ok ? listed.images.find(({ names }) => names.some((one) => name.test(one))) : undefined;
      if (stored !== undefined) return stored;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    return undefined;
  };
  t.match(await find(/busybox/), { imageId: own.imageId, names: [POD_IMAGE], engine: own.endpoint });
  const stored = await find(/packages/);
  t.match(stored, { engine: own.endpoint });
  if (stored === undefined) return;
  t.match(await contentOf(await images.take(stored, signal)), EXPECTED);

  // Anybody who can push an image can store a manifest that names the configuration of another one.
  const blobs = join(own.directory, 'root/io.containerd.content.v1.content/blobs/sha256');
  const config = { digest: stored.imageId };
  for (const layers of [[], [{ digest: `sha256:${'0'.repeat(64)}` }, { digest: own.imageId }]]) {
    const forged = Buffer.from(JSON.stringify({ schemaVersion: 2, config, layers }));
    writeFileSync(join(blobs, sha256(forged)), forged);
  }
  writeFileSync(join(blobs, 'f'.repeat(64)), JSON.stringify({ config, layers: [] }));
  t.match(await contentOf(await images.take(stored, signal)), EXPECTED, 'a forged manifest hides nothing');
  // As with discard_unpacked_layers: the layers are unpacked, and their archives are gone.
  for (const name of readdirSync(blobs)) {
    const head = readFileSync(join(blobs, name)).subarray(0, 2).toString('hex');
    if (head === '1f8b') rmSync(join(blobs, name));
  }
  t.match(await images.take(stored, signal), { ok: false, problem: /is absent|different numbers/ });
  t.match(await images.take({ ...stored, imageId: `sha256:${'e'.repeat(64)}` }, signal), {
    ok: false,
    problem: /no manifest/,
  });
});

/** The archive of an image layout. */
function makeImage(): { readonly archive: string; readonly remove: () => void } {
  const directory = mkdtempSync(join(tmpdir(), 'plimsoll-context-'));
  writeContext(directory);
  const oci = join(directory, 'oci');
  writeOciImage(directory, oci);
  const archive = join(directory, 'oci.tar');
  execFileSync('tar', ['-C', oci, '-cf', archive, '.']);
  return { archive, remove: () => rmSync(directory, { recursive: true }) };
}

/** Writes an OCI image layout of two compressed layers; whiteouts as the image specification has them. */
function writeOciImage(context: string, target: string): void {
  const blobs = join(target, 'blobs/sha256');
  mkdirSync(blobs, { recursive: true });
  const put = (content: Buffer): { digest: string; size: number } => {
    writeFileSync(join(blobs, sha256(content)), content);
    return { digest: `sha256:${sha256(content)}`, size: content.length };
  };
  const second = join(context, 'second/var/lib/dpkg');
  mkdirSync(second, { recursive: true });
  writeFileSync(join(second, 'status'), readFileSync(join(context, 'two/status')));
  writeFileSync(join(second, '.wh..wh..opq'), '');
  mkdirSync(join(context, 'second/usr/bin'), { recursive: true });
  writeFileSync(join(context, 'second/usr/bin/.wh.rootme'), '');
  const layers = ['one', 'second'].map((name) => {
    const plain = execFileSync('tar', ['-C', join(context, name), '-cf', '-', '.']);
    const packed = put(execFileSync('gzip', ['-n'], { input: plain }));
    return { diffId: `sha256:${sha256(plain)}`, layer: { mediaType: LAYER, ...packed } };
  });
  const diffIds = layers.map(({ diffId }) => diffId);
  const configuration = {
    architecture: 'amd64',
    os: 'linux',
    config: {},
    rootfs: { type: 'layers', diff_ids: diffIds },
  };
  const config = put(Buffer.from(JSON.stringify(configuration)));
  const manifest = put(
    Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: 'application/vnd.oci.image.manifest.v1+json',
        config: { mediaType: 'application/vnd.oci.image.config.v1+json', ...config },
        layers: layers.map(({ layer }) => layer),
      }),
    ),
  );
  const annotations = { 'org.opencontainers.image.ref.name': '1', 'io.containerd.image.name': 'localhost/packages:1' };
  const entry = { mediaType: 'application/vnd.oci.image.manifest.v1+json', ...manifest, annotations };
  writeFileSync(join(target, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: [entry] }));
  writeFileSync(join(target, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }));
}

function sha256(content: Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}
