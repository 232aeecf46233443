import { randomBytes } from 'node:crypto';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import type { Test } from 'tap';
import { encodeInventory } from '../../../proto/inventory-codec.ts';
import type { EncodedInventory } from '../../../proto/inventory-codec.ts';
import type { AgentMessage } from '../../../proto/fleet.ts';
import { toWire } from '../../../proto/finding-codec.ts';
import type { Package } from '../../../vulnerability/package.ts';
import { startCollector } from './collector.ts';
import type { TestCollector } from './collector.ts';
import { hello, on, snapshot } from './messages.ts';
import type { TestNode } from './node.ts';

/*
 * A node with a certificate sends the largest messages of each kind as long as it may. The quotas are smaller than the
 * defaults, so that it reaches them within seconds.
 */

const MIB = 1024 * 1024;
const letters = (length: number): string =>
  randomBytes(Math.ceil((length * 3) / 4))
    .toString('base64')
    .slice(0, length);

async function open(collector: TestCollector, nodeId: string, over = {}): Promise<TestNode> {
  const node = await collector.connect(nodeId);
  node.say(hello(over));
  await node.hearA('welcome');
  return node;
}

/** Bytes of the pages in use. */
function sizeOf({ path }: TestCollector): number {
  const db = new DatabaseSync(path, { readOnly: true });
  const pragma = (name: string): number => Number(db.prepare(`PRAGMA ${name}`).get()?.[name]);
  const bytes = (pragma('page_count') - pragma('freelist_count')) * pragma('page_size');
  db.close();
  return bytes;
}

function countOf({ path }: TestCollector, table: string): number {
  const db = new DatabaseSync(path, { readOnly: true });
  const count = Number(db.prepare(`SELECT count(*) AS count FROM ${table}`).get()?.['count']);
  db.close();
  return count;
}

async function until(t: Test, condition: () => Promise<boolean> | boolean): Promise<void> {
  for (let left = 400; left > 0; left -= 1) {
    if (await condition()) return;
    await delay(25);
  }
  t.fail('did not happen in time');
}

const reasonsOf = ({ server }: TestCollector): string =>
  server
    .problems()
    .map((problem) => (problem.kind === 'limited' ? `${problem.nodeId}: ${problem.reason}` : problem.kind))
    .join('\n');

/** An inventory whose bytes no compression shortens. */
function dense(): Promise<EncodedInventory> {
  const gap = () => ({ path: `/${letters(1000)}`, reason: letters(500) });
  return encodeInventory({ packages: [], gaps: Array.from({ length: 100 }, gap) });
}

function claims(inventories: readonly EncodedInventory[], prefix = 'image'): AgentMessage {
  return {
    imagesInUse: {
      images: inventories.map(({ digest }, index) => {
        return { imageId: `sha256:${prefix}${String(index)}`, source: 1, inventory: Buffer.from(digest, 'hex') };
      }),
    },
  };
}

/** Sends each inventory that the collector requests, until `isOver`. */
async function answer(
  node: TestNode,
  inventories: readonly EncodedInventory[],
  isOver: () => boolean,
): Promise<number> {
  const byDigest = new Map(inventories.map((one) => [one.digest, one]));
  let sent = 0;
  const idle = async (): Promise<void> => {
    while (!isOver()) await delay(25);
  };
  const over = idle();
  for (;;) {
    const request = await Promise.race([node.hearA('inventoryRequest'), over]);
    if (request === undefined) return sent;
    for (const wanted of request.digests ?? []) {
      const { bytes = Buffer.alloc(0), digest = '' } = byDigest.get(Buffer.from(wanted).toString('hex')) ?? {};
      for (let start = 0; start < bytes.length; start += 512 * 1024) {
        const chunk = bytes.subarray(start, start + 512 * 1024);
        const [part, last] = [start / (512 * 1024), start + 512 * 1024 >= bytes.length];
        node.say({ imageInventory: { digest: Buffer.from(digest, 'hex'), part, last, chunk } });
      }
      sent += 1;
    }
  }
}

await t.test('inventories: bytes count, and what is over the quota waits', async (t) => {
  const collector = await startCollector(t, {}, t.testdir(), { inventories: { burst: MIB / 2, perSecond: 1 } });
  const [hostile, honest] = [await open(collector, 'hostile'), await open(collector, 'honest')];
  const inventories = await Promise.all(Array.from({ length: 12 }, dense));
  const before = sizeOf(collector);
  hostile.say(claims(inventories));
  const sent = await answer(hostile, inventories, () => reasonsOf(collector).includes('too fast'));
  t.match(reasonsOf(collector), /^hostile: it sends inventories of images too fast$/);
  t.ok(sent >= 4 && sent < 12, `${String(sent)} of 12 were requested`);
  const grown = sizeOf(collector) - before;
  t.ok(grown < 1.5 * MIB, `${String(Math.round(grown / 1024))} KiB were stored`);
  const own = [await dense()];
  honest.say(claims(own, 'own'));
  let isStored = false;
  const answering = answer(honest, own, () => isStored);
  await until(t, async () => (await collector.store.images.inventories()).has(own[0]?.digest ?? ''));
  isStored = true;
  t.equal(await answering, 1, 'another node has a quota of its own');
});

await t.test('one inventory that takes more than its text', async (t) => {
  const collector = await startCollector(t);
  const node = await open(collector, 'hostile');
  // Its columns repeat few long values, which the store would write for each of 50,000 packages.
  const distribution = { id: 'd'.repeat(128), like: Array.from({ length: 16 }, () => 'l'.repeat(128)) };
  const packages = Array.from({ length: 50_000 }, (_, index): Package => {
    return {
      type: 'deb',
      name: String(index),
      version: '1',
      vendor: 'v'.repeat(256),
      modularity: 'm'.repeat(256),
      path: '/',
    };
  });
  const inventory = await encodeInventory({ distribution, packages, gaps: [] });
  t.ok(inventory.bytes.length < MIB, 'it is small on the wire');
  const before = sizeOf(collector);
  node.say(claims([inventory]));
  await answer(node, [inventory], () => reasonsOf(collector) !== '');
  t.match(reasonsOf(collector), /hostile: .*refused: its inventories would take more than 256 MiB/);
  t.ok(sizeOf(collector) - before < MIB);
});

await t.test('lists of images: no more rows than a node may have, however many lists come', async (t) => {
  const collector = await startCollector(t);
  const node = await open(collector, 'hostile');
  for (let list = 0; list < 12; list += 1) {
    const images = Array.from({ length: 4096 }, (_, index) => {
      return { imageId: `sha256:${String(list)}-${String(index)}`, source: 1, inventory: randomBytes(32) };
    });
    node.say({ imagesInUse: { images, omitted: list % 2 } });
  }
  const names = Array.from({ length: 16 }, () => '\u0001'.repeat(512));
  for (let list = 0; list < 6; list += 1) {
    const images = Array.from({ length: 100 }, (_, index) => {
      return { imageId: `sha256:rest${String(list)}-${String(index)}`, atRest: true, names };
    });
    node.say({ imagesInUse: { images } });
  }
  node.say({ heartbeat: { sequence: 0, digest: 0, findings: 0 } });
  await until(t, async () => (await collector.store.images.claims()).some(({ imageId }) => imageId.includes('rest5-')));
  t.equal(countOf(collector, 'image_claim'), 2048);
  t.equal(countOf(collector, 'image'), 2048);
  t.ok(countOf(collector, 'inventory') <= 2048);
  t.ok(sizeOf(collector) < 12 * MIB, String(sizeOf(collector)));
  t.match(reasonsOf(collector), /hostile: .*images/);
});

await t.test('findings: their bytes count', async (t) => {
  const limit = 6 * MIB;
  const collector = await startCollector(t, {}, t.testdir(), { findingBytes: limit });
  const honest = await open(collector, 'honest');
  honest.say(snapshot(1, [on('c1')]));
  await honest.hearA('ack');
  let sequence = 0;
  const ends: string[] = [];
  for (let session = 0; session < 3; session += 1) {
    const node = await open(collector, 'hostile', { instance: 'i1', ackedSequence: sequence });
    for (let count = 0; count < 20; count += 1) {
      sequence += 1;
      const evidence = Array.from({ length: 14 }, () => ({
        source: letters(16_000),
        seen: letters(16_000),
        expected: letters(16_000),
      }));
      const put = [toWire({ ...on(`c${String(sequence)}`), evidence })];
      node.say({
        delta: { sequence, last: true, snapshot: session === 0 && count === 0, put, observedAtMs: Date.now() },
      });
    }
    const { name, details } = await node.ended;
    ends.push(`${name}: ${details}`);
    const state = await collector.store.replicationState('hostile');
    sequence = state?.committedSequence ?? 0;
  }
  for (const end of ends) t.match(end, /^RESOURCE_EXHAUSTED: this node would have findings that are too long together/);
  t.match(reasonsOf(collector), /^hostile: this node would have findings/);
  const stored = await collector.store.findingBytes('hostile');
  t.ok(stored > limit / 2 && stored <= limit, String(stored));
  honest.say({ delta: { sequence: 2, last: true, put: [toWire(on('c2'))], observedAtMs: Date.now() } });
  t.equal((await honest.hearA('ack')).sequence, 2, 'another node goes on');
});
