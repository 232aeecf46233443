import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import type { Test } from 'tap';
import { UNTHROTTLED } from '../../../agent/budget/throttle-profile.ts';
import { createImageReader } from '../../../agent/image/image-reader.ts';
import { createRestingImages } from '../../../agent/image/resting-images.ts';
import type { ImageRecord } from '../../../agent/image/image-record.ts';
import { createLinuxHost } from '../../../agent/host/linux.ts';
import { openLiveNode } from '../../../agent/live-node.ts';
import { createLocalObserver } from '../../../agent/local-observer.ts';
import type { ContainerFact } from '../../../posture/fact/container.ts';
import type { Facts } from '../../../posture/fact/facts.ts';
import { decodeInventory } from '../../../proto/inventory-codec.ts';
import type { EncodedInventory } from '../../../proto/inventory-codec.ts';
import { systemClock } from '../../../service/clock.ts';
import type { Logger } from '../../../service/log.ts';
import { TEST_IMAGE, testDocker } from '../../component/docker.ts';

const found = testDocker();
const WORKER = new URL('../../../image/inventory/worker.ts', import.meta.url);
const IMAGE = 'plimsoll-test/packages:1';
const STATUS = ['vulnerable', 'bash']
  .map((name) => `Package: ${name}\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1.0-1\n`)
  .join('\n');
const quiet: Logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

async function packagesOf(inventory: EncodedInventory | undefined): Promise<readonly string[]> {
  if (inventory === undefined) return [];
  const decoded = await decodeInventory(inventory);
  if (!decoded.ok) throw new Error(decoded.problem);
  const { packages, gaps } = decoded.value;
  return [...packages.map(({ name }) => name), ...gaps.map(({ reason }) => `gap: ${reason.slice(0, 22)}`)];
}

/** An image of two Debian packages; and what the agent reports about this node until the test ends. */
async function observeNode(t: Test, endpoint: string) {
  const stop = new AbortController();
  const { signal } = stop;
  const clock = systemClock();
  const access = await openLiveNode({
    hostRoot: '/',
    dockerHost: endpoint,
    nodeName: '',
    dataDir: t.testdir(),
    agentVersion: '0.0.0-test',
    now: clock.now,
    signal,
  });
  const imageReader = createImageReader({ host: access.host, hostRoot: '/', worker: WORKER });
  const restingImages = createRestingImages({ access, hostRoot: '/', worker: WORKER });
  const observer = createLocalObserver({
    access,
    imageReader,
    sweepIntervalMs: 86_400_000,
    clock,
    log: quiet,
    signal,
  });
  const known: { facts?: Facts; images: readonly ImageRecord[] } = { images: [] };
  const { done } = observer.watch({
    onChange: (facts) => (known.facts = facts),
    onImages: (images) => (known.images = images),
    pace: () => UNTHROTTLED,
  });
  t.teardown(async () => {
    stop.abort();
    await done;
  });
  return {
    images: () => known.images,
    restingImages,
    containers: (): readonly ContainerFact[] =>
      known.facts?.containers.state === 'seen' ? known.facts.containers.value : [],
  };
}

async function until<T>(t: Test, find: () => T | undefined): Promise<T> {
  for (let left = 400; left > 0; left -= 1) {
    const value = find();
    if (value !== undefined) return value;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  t.fail('did not happen in time');
  throw new Error('did not happen in time');
}

void t.test('images of real containers', { skip: 'reason' in found ? found.reason : false }, async (t) => {
  if ('reason' in found) return;
  const { docker, endpoint } = found.docker;
  const directory = mkdtempSync(join(tmpdir(), 'plimsoll-image-'));
  writeFileSync(join(directory, 'status'), STATUS);
  writeFileSync(join(directory, 'os-release'), 'ID=debian\nVERSION_ID="12"\n');
  const names = ['image-base', 'image-clean', 'image-hostile', 'image-hider'].map((name) => `plimsoll-test-${name}`);
  const remove = () => docker('rm', '-f', ...names);
  await remove();
  t.teardown(async () => {
    await remove();
    await docker('rmi', '-f', IMAGE);
    rmSync(directory, { recursive: true, force: true });
  });
  const [base = '', clean = '', hostile = '', hider = ''] = names;
  await docker('create', '--name', base, TEST_IMAGE, '/bin/sleep', '1');
  for (const path of ['var', 'var/lib', 'var/lib/dpkg', 'etc']) {
    rmSync(join(directory, 'empty'), { recursive: true, force: true });
    await docker('cp', `${t.testdir({ empty: {} })}/empty/.`, `${base}:/${path}`).catch(() => undefined);
  }
  await docker('cp', join(directory, 'status'), `${base}:/var/lib/dpkg/status`);
  await docker('cp', join(directory, 'os-release'), `${base}:/etc/os-release`);
  writeFileSync(join(directory, 'rootme'), 'x');
  chmodSync(join(directory, 'rootme'), 0o4755);
  await docker('cp', join(directory, 'rootme'), `${base}:/etc/rootme`);
  await docker('commit', base, IMAGE);
  const imageId = await docker('inspect', '-f', '{{.Id}}', IMAGE);

  const run = (name: string, script: string, ...options: readonly string[]): Promise<string> =>
    docker('run', '-d', '--name', name, ...options, IMAGE, '/bin/sh', '-c', `${script}; exec /bin/sleep 3600`);
  // It empties the database of its packages; the other hides it behind a volume.
  await run(hostile, 'echo > /var/lib/dpkg/status');
  const node = await observeNode(t, endpoint);
  const hostileContainer = await until(t, () => node.containers().find(({ name }) => name === hostile));
  const reader = createImageReader({ host: createLinuxHost({ root: '/' }), hostRoot: '/', worker: WORKER });
  const { signal } = new AbortController();
  const alone = await until(t, () => node.images().find(({ imageId: id, inventory }) => id === imageId && inventory));
  t.equal(alone.source, 'container', 'a changed container does not stand for its image');
  t.same(
    await packagesOf(alone.inventory),
    ['gap: read through a contain', 'gap: names debian, but no p'],
    'and what it shows is not complete',
  );

  await run(hider, 'true', '-v', '/var/lib/dpkg', '--read-only');
  const hiding = await until(t, () => node.containers().find(({ name }) => name === hider));
  const behind = await reader.take([hiding], signal);
  t.match(behind, { ok: true, source: 'layers' });
  t.same(
    behind.ok && (await packagesOf(behind.inventory)),
    ['bash', 'vulnerable'],
    'a volume hides nothing of the image',
  );

  await run(clean, 'true');
  const cleanContainer = await until(t, () => node.containers().find(({ name }) => name === clean));
  const taken = await reader.take([hostileContainer, cleanContainer], signal);
  t.match(taken, { ok: true, source: 'layers' });
  t.same(taken.ok && (await packagesOf(taken.inventory)), ['bash', 'vulnerable'], 'the unchanged one stands for it');
  t.same(
    await reader
      .take([{ ...cleanContainer, engine: 'unix:///run/user/1000/docker.sock' }], signal)
      .then((result) => result.ok && result.source),
    'container',
    'an engine of a user does not vouch for an image',
  );
  await docker('exec', clean, '/bin/sh', '-c', 'echo x > /notes.txt');
  t.match(await reader.take([cleanContainer], signal), { source: 'layers' }, 'other changes do not matter');
  const decoded = await decodeInventory(taken.ok ? taken.inventory : { digest: '', bytes: new Uint8Array() });
  t.same(decoded.ok && decoded.value.setuid, { files: [{ path: '/etc/rootme', mode: 0o4755 }], gaps: [] });
  // It empties the database while it is read: either the change is noticed, or it came too late to matter.
  const [racing] = await Promise.all([
    reader.take([cleanContainer], signal),
    docker('exec', clean, '/bin/sh', '-c', 'echo > /var/lib/dpkg/status'),
  ]);
  const shown = racing.ok ? await packagesOf(racing.inventory) : [];
  t.ok(racing.ok && (racing.source === 'container' || shown.length === 2), 'a file that is swapped while it is read');
  await docker('exec', clean, '/bin/sh', '-c', 'echo harmless > /etc/rootme');
  t.match(await reader.take([cleanContainer], signal), { source: 'container' }, 'a setuid file was changed');
  const gone = await reader.take(
    [{ ...cleanContainer, pid: 2 ** 22 - 1, mounts: { state: 'absent', source: '' } }],
    signal,
  );
  t.match(gone, { ok: false });

  // The same image at rest: a second node would read its layers and must find what this one found in the container.
  const listed = await node.restingImages.list();
  const stored = listed.ok ? listed.images.find(({ imageId: id }) => id === imageId) : undefined;
  t.match(stored, { names: [IMAGE], engine: endpoint });
  if (stored === undefined || !taken.ok) return;
  const layers = await node.restingImages.take(stored, signal);
  t.match(layers, { ok: true, source: 'layers' });
  t.same(layers.ok && (await packagesOf(layers.inventory)), ['bash', 'vulnerable']);
  t.equal(layers.ok && layers.inventory.digest, taken.inventory.digest);
  await remove();
  await docker('rmi', '-f', IMAGE);
  t.match(await node.restingImages.take(stored, signal), { ok: false, problem: /its layers are not known: / });
});
