import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import type { Test } from 'tap';
import type { TestNode } from './node.ts';
import { encodeInventory } from '../../../proto/inventory-codec.ts';
import type { EncodedInventory } from '../../../proto/inventory-codec.ts';
import type { Store } from '../../../collector/store/store.ts';
import type { Package } from '../../../vulnerability/package.ts';
import { startCollector } from './collector.ts';
import { hello } from './messages.ts';

const DEBIAN = { id: 'debian', versionId: '12', codename: 'bookworm', like: [] };
const LAYERS = 1;
const CONTAINER = 2;

function inventoryOf(...names: readonly string[]): Promise<EncodedInventory> {
  const packages = names.map((name): Package => ({ type: 'deb', name, version: '1', path: '/var/lib/dpkg/status' }));
  return encodeInventory({ distribution: DEBIAN, packages, gaps: [] });
}

function say(node: TestNode, images: Readonly<Record<string, EncodedInventory | string>>, source = LAYERS): void {
  node.say({
    imagesInUse: {
      images: Object.entries(images).map(([imageId, what]) =>
        typeof what === 'string'
          ? { imageId, source, problem: what }
          : { imageId, source, inventory: Buffer.from(what.digest, 'hex') },
      ),
    },
  });
}

async function requested(node: TestNode): Promise<readonly string[]> {
  const { digests } = await node.hearA('inventoryRequest');
  return (digests ?? []).map((digest) => Buffer.from(digest).toString('hex'));
}

function send(node: TestNode, { digest, bytes }: EncodedInventory, parts = 1): void {
  const size = Math.ceil(bytes.length / parts);
  for (let part = 0; part < parts; part += 1)
    node.say({
      imageInventory: {
        digest: Buffer.from(digest, 'hex'),
        part,
        last: part === parts - 1,
        chunk: bytes.subarray(part * size, (part + 1) * size),
      },
    });
}

async function until(t: Test, condition: () => Promise<boolean>): Promise<void> {
  for (let left = 200; left > 0; left -= 1) {
    if (await condition()) return;
    await delay(25);
  }
  t.fail('did not happen in time');
}

const isStored = async (store: Store, { digest }: EncodedInventory): Promise<boolean> =>
  (await store.images.inventories()).has(digest);

await t.test('an inventory is requested once in the fleet, and what every node says is kept', async (t) => {
  const { connect, store } = await startCollector(t);
  const [one, two] = [await connect('n1'), await connect('n2')];
  const [first, second] = [await inventoryOf('bash'), await inventoryOf('zlib', 'curl')];
  for (const node of [one, two]) {
    node.say(hello());
    t.equal((await node.hearA('welcome')).images, true);
  }
  say(one, { 'sha256:a': first, 'sha256:b': 'the image is not readable' });
  t.same(await requested(one), [first.digest]);
  say(two, { 'sha256:a': first, 'sha256:c': second });
  t.same(await requested(two), [second.digest], 'what another node is sending is not requested');
  send(one, first, 3);
  send(two, second);
  await until(t, async () => (await isStored(store, first)) && isStored(store, second));
  const claims = await store.images.claims();
  t.same(
    claims
      .map(({ nodeId, imageId, isStored, problem }) => `${nodeId} ${imageId} ${String(isStored)} ${problem}`)
      .sort(),
    ['n1 sha256:a true ', 'n1 sha256:b false the image is not readable', 'n2 sha256:a true ', 'n2 sha256:c true '],
  );
});

await t.test('a node that does not answer: another one is asked', async (t) => {
  const { connect, store } = await startCollector(t);
  const [silent, other] = [await connect('n1'), await connect('n2')];
  const inventory = await inventoryOf('bash');
  for (const node of [silent, other]) {
    node.say(hello());
    await node.hearA('welcome');
  }
  say(silent, { 'sha256:a': inventory });
  await requested(silent);
  say(other, { 'sha256:a': inventory });
  await until(t, async () => (await store.images.claims()).length === 2);
  silent.close();
  t.same(await requested(other), [inventory.digest]);
  send(other, inventory);
  await until(t, () => isStored(store, inventory));
});

await t.test('a stolen certificate: it cannot replace what another node found', async (t) => {
  const { connect, store } = await startCollector(t);
  const [honest, thief] = [await connect('n1'), await connect('n2')];
  const [true_, clean] = [await inventoryOf('vulnerable', 'bash'), await inventoryOf('bash')];
  for (const node of [honest, thief]) {
    node.say(hello());
    await node.hearA('welcome');
  }
  // The thief comes first, with a clean inventory of the image.
  say(thief, { 'sha256:a': clean });
  await requested(thief);
  send(thief, clean);
  await until(t, () => isStored(store, clean));
  say(honest, { 'sha256:a': true_ });
  t.same(await requested(honest), [true_.digest], 'the other inventory of the same image is wanted too');
  // It sends other bytes under the digest of the honest node.
  send(thief, { ...clean, digest: true_.digest });
  send(honest, true_);
  await until(t, () => isStored(store, true_));
  const vulnerable = (await store.images.unjudged('db', 10)).find(({ package: { name } }) => name === 'vulnerable');
  t.same(
    await store.images.places([vulnerable?.key ?? -1]),
    [{ packageKey: vulnerable?.key, imageId: 'sha256:a' }],
    'the image has the package wherever it runs',
  );
  say(thief, {});
  say(thief, { 'sha256:a': clean }, CONTAINER);
  await until(t, async () => (await store.images.claims()).some(({ source }) => source === 'container'));
  t.equal((await store.images.places([vulnerable?.key ?? -1])).length, 1);
});

await t.test('a hostile node: wrong bytes, parts without end, contents that nobody asked for', async (t) => {
  const { connect, store, server } = await startCollector(t);
  const node = await connect('n1');
  const inventory = await inventoryOf('bash');
  const other = await inventoryOf('zlib');
  node.say(hello());
  await node.hearA('welcome');
  send(node, other);
  say(node, { 'sha256:a': inventory });
  await requested(node);
  send(node, { ...other, digest: inventory.digest });
  await until(t, async () => server.problems().some(({ kind }) => kind === 'limited'));
  t.match(server.problems(), [{ kind: 'limited', nodeId: 'n1', reason: /an inventory that it sent was refused/ }]);
  t.equal((await store.images.inventories()).size, 0);
  say(node, { 'sha256:a': inventory });
  await requested(node);
  for (let part = 0; part < 100; part += 1)
    node.say({ imageInventory: { digest: Buffer.from(inventory.digest, 'hex'), part, chunk: Buffer.alloc(0) } });
  say(node, { 'sha256:a': inventory });
  t.same(await requested(node), [inventory.digest], 'the session goes on');
  send(node, inventory);
  await until(t, () => isStored(store, inventory));

  const many = Array.from({ length: 5000 }, (_, index) => ({ imageId: `sha256:${String(index)}` }));
  node.say({ imagesInUse: { images: many } });
  t.match(await node.ended, { name: 'INVALID_ARGUMENT', details: /more than 4096 images/ });
  for (const image of [{ imageId: '' }, { imageId: 'a b' }, { imageId: 'sha256:a', inventory: Buffer.alloc(3) }]) {
    const next = await connect('n2');
    next.say(hello({ instance: 'i2' }));
    await next.hearA('welcome');
    next.say({ imagesInUse: { images: [image] } });
    t.match(await next.ended, { name: 'INVALID_ARGUMENT' });
  }
});

await t.test('images at rest: after those that run, with their tags, within bounds', async (t) => {
  const { connect, store } = await startCollector(t);
  const node = await connect('n1');
  node.say(hello());
  await node.hearA('welcome');
  const [running, resting] = [await inventoryOf('bash'), await inventoryOf('zlib')];
  const claim = (imageId: string, { digest }: EncodedInventory) => ({
    imageId,
    source: LAYERS,
    inventory: Buffer.from(digest, 'hex'),
  });
  const names = Array.from({ length: 40 }, (_, index) => `${String(index)}/\u001B${'x'.repeat(2000)}`);
  node.say({
    imagesInUse: {
      // Tags of an image that runs are not taken: its containers name it.
      images: [
        { ...claim('sha256:b', resting), atRest: true, names },
        { ...claim('sha256:a', running), names: ['shop/db:16'] },
      ],
    },
  });
  t.same(await requested(node), [running.digest, resting.digest]);
  send(node, running);
  send(node, resting);
  await until(t, async () => (await isStored(store, running)) && isStored(store, resting));
  t.match(await store.images.claims('sha256:a'), [{ atRest: undefined, isStored: true }]);
  const [rest] = await store.images.claims('sha256:b');
  t.equal(rest?.atRest?.length, 16);
  t.ok(rest?.atRest?.every((name) => name.length <= 512));
});
