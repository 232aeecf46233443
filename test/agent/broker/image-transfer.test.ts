import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import t from 'tap';
import type { Test } from 'tap';
import { createBrokerImageSender, createImageAssembly, imageMessages } from '../../../agent/broker/image-transfer.ts';
import { createLineChannel } from '../../../agent/broker/line-channel.ts';
import { MAX_RESPONSE_BYTES, parseAgentMessage, parseBrokerMessage } from '../../../agent/broker/message.ts';
import type { BrokerMessage } from '../../../agent/broker/message.ts';
import type { ImageRecord } from '../../../agent/image/image-record.ts';
import { decodeInventory, encodeInventory, INVENTORY_LIMITS } from '../../../proto/inventory-codec.ts';
import { systemClock } from '../../../service/clock.ts';

const DIGEST = 'a'.repeat(64);

async function recordOf(imageId: string, ...names: readonly string[]): Promise<ImageRecord> {
  const inventory = await encodeInventory({
    distribution: { id: 'debian', versionId: '12', codename: 'bookworm', like: [] },
    packages: names.map((name) => ({ type: 'deb', name, version: '1', path: '/var/lib/dpkg/status' })),
    gaps: [{ path: '/opt', reason: 'too large' }],
  });
  return { imageId, source: 'layers', inventory, problem: '' };
}

/** Without the type of the bytes: both sides compare by content. */
const plain = (records: readonly ImageRecord[] | undefined): unknown =>
  records?.map(({ inventory, ...rest }) => ({
    ...rest,
    digest: inventory?.digest,
    content: inventory === undefined ? undefined : Buffer.from(inventory.bytes).toString('hex'),
  }));

/** What the agent makes of lines that arrive from a broker. */
function receive(assembly: ReturnType<typeof createImageAssembly>, lines: readonly string[]) {
  let latest: readonly ImageRecord[] | undefined;
  for (const line of lines) {
    const parsed = parseBrokerMessage(Buffer.from(line));
    if (!parsed.ok) throw new Error(parsed.problem);
    const { value } = parsed;
    if (value.kind !== 'image' && value.kind !== 'imageList') throw new Error(`unexpected ${value.kind}`);
    latest = assembly.add(value) ?? latest;
  }
  return latest;
}

const linesOf = (sent: readonly ImageRecord[], images: readonly ImageRecord[]): string[] =>
  [...imageMessages(sent, images)].map((message) => JSON.stringify(message));

/** Two connected sockets. */
async function socketPair(t: Test): Promise<readonly [Socket, Socket]> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const [[accepted]] = (await Promise.all([once(server, 'connection'), once(client, 'connect')])) as [
    [Socket],
    unknown,
  ];
  t.teardown(() => {
    client.destroy();
    accepted.destroy();
    server.close();
  });
  return [accepted, client];
}

void t.test('images arrive as they were, and only what changed is sent', async (t) => {
  const assembly = createImageAssembly();
  const a = await recordOf('sha256:a', 'bash', 'zlib');
  const b: ImageRecord = { imageId: 'sha256:b', source: 'container', problem: 'its files cannot be read: EACCES' };
  const first = linesOf([], [a, b]);
  t.equal(first.length, 3);
  t.same(plain(receive(assembly, first)), plain([a, b]), 'gaps and problems too');

  const bTaken: ImageRecord = { ...(await recordOf('sha256:b', 'curl')), source: 'container' };
  const second = linesOf([a, b], [a, bTaken]);
  t.equal(second.length, 2, 'one image and the list');
  const received = receive(assembly, second);
  t.same(plain(received), plain([a, bTaken]));
  const decoded = received?.[1]?.inventory === undefined ? undefined : await decodeInventory(received[1].inventory);
  t.match(decoded, { ok: true, value: { packages: [{ name: 'curl' }], gaps: [{ path: '/opt' }] } });

  t.same(plain(receive(assembly, linesOf([a, bTaken], [bTaken]))), plain([bTaken]), 'an image that is not used');
  t.same(plain(receive(assembly, linesOf([bTaken], [bTaken, a]))), plain([bTaken, a]), 'and is used again');
  const resting: ImageRecord = { ...a, atRest: ['shop/db:16'] };
  t.same(plain(receive(assembly, linesOf([bTaken, a], [bTaken, resting]))), plain([bTaken, resting]), 'at rest');
  t.same(plain(receive(assembly, linesOf([bTaken, resting], [bTaken, a]))), plain([bTaken, a]), 'and it runs again');
  t.same(receive(assembly, linesOf([bTaken, a], [])), []);
});

void t.test('the largest inventory and the most images fit', (t) => {
  const bytes = new Uint8Array(INVENTORY_LIMITS.bytes).fill(255);
  const large: ImageRecord = {
    imageId: 'x'.repeat(128),
    source: 'layers',
    inventory: { digest: DIGEST, bytes },
    problem: '',
  };
  const lines = linesOf([], [large]);
  for (const line of lines) t.ok(Buffer.byteLength(line) < MAX_RESPONSE_BYTES);
  t.equal(receive(createImageAssembly(), lines)?.[0]?.inventory?.bytes.length, INVENTORY_LIMITS.bytes);
  // As many containers as an engine may list, each of an image of its own.
  const many = Array.from({ length: 50_000 }, (_, index): ImageRecord => ({
    imageId: `sha256:${String(index)}`,
    source: 'container',
    problem: 'more than 2048 images are in use',
  }));
  t.equal(receive(createImageAssembly(), linesOf([], many))?.length, many.length);
  t.end();
});

void t.test('hostile lines of a broker end the connection, and quote nothing', (t) => {
  const image = { kind: 'image', imageId: 'sha256:a', source: 'layers', problem: '', digest: DIGEST, content: '' };
  const tooLarge = Buffer.alloc(INVENTORY_LIMITS.bytes + 1).toString('base64');
  for (const [what, message] of [
    ['a source that does not exist', { ...image, source: 'registry-hunter2' }],
    ['no image', { ...image, imageId: undefined }],
    ['tags that are no text', { ...image, atRest: [{ hunter2: 1 }] }],
    ['too many tags', { ...image, atRest: Array.from({ length: 17 }, () => 'hunter2') }],
    ['a long image', { ...image, imageId: 'hunter2'.repeat(100) }],
    ['a digest that is none', { ...image, digest: 'hunter2' }],
    ['a digest in capitals', { ...image, digest: 'A'.repeat(64) }],
    ['an inventory that is too large', { ...image, content: tooLarge }],
    ['a text that is too long', { ...image, content: `${tooLarge}AAAAAAAA` }],
    ['a number as inventory', { ...image, content: 7 }],
    ['a long problem', { ...image, problem: 'hunter2'.repeat(1000) }],
    ['ids that are no list', { kind: 'imageList', ids: 'hunter2' }],
    ['ids that are no text', { kind: 'imageList', ids: [{ hunter2: 1 }] }],
    ['too many ids', { kind: 'imageList', ids: Array.from({ length: 50_001 }, () => 'sha256:a') }],
    ['an image without a record', { kind: 'imageList', ids: ['sha256:hunter2'] }],
  ] as const) {
    const assembly = createImageAssembly();
    try {
      receive(assembly, [JSON.stringify(message)]);
      t.fail(what);
    } catch (error) {
      t.notMatch((error as Error).message, 'hunter2', what);
      t.equal((error as Error).constructor, Error, what);
    }
  }
  t.end();
});

void t.test('a broker that sends images without end', (t) => {
  const assembly = createImageAssembly();
  const image = { kind: 'image', source: 'layers', problem: '', atRest: null, digest: '', content: '' } as const;
  t.throws(
    () => {
      for (let index = 0; index < 200_000; index += 1) assembly.add({ ...image, imageId: String(index) });
    },
    { message: /more than \d+ images/ },
  );
  const large = createImageAssembly();
  const content = Buffer.alloc(INVENTORY_LIMITS.bytes).toString('base64');
  t.throws(
    () => {
      for (let index = 0; index < 64; index += 1)
        large.add({ ...image, digest: DIGEST, content, imageId: String(index) });
    },
    { message: /inventories of more than \d+ bytes/ },
  );
  const replaced = createImageAssembly();
  for (let round = 0; round < 64; round += 1) replaced.add({ ...image, digest: DIGEST, content, imageId: 'sha256:a' });
  t.equal(replaced.add({ kind: 'imageList', ids: ['sha256:a'] })?.length, 1, 'a replaced one does not count');
  t.end();
});

void t.test('names of object members are ordinary ids', (t) => {
  const ids = ['__proto__', 'constructor', 'toString'];
  const records = ids.map((imageId): ImageRecord => ({ imageId, source: 'container', problem: 'x' }));
  t.same(
    receive(createImageAssembly(), linesOf([], records))?.map(({ imageId }) => imageId),
    ids,
  );
  t.equal(({} as { problem?: unknown }).problem, undefined);
  t.end();
});

void t.test('an agent cannot send images, or name one that is to be read', (t) => {
  for (const kind of ['image', 'imageList', 'inventoryRequest', 'readImage']) {
    const message = { kind, imageId: 'sha256:a', path: '/etc/shadow', pid: 1, ids: [], source: 'layers', problem: '' };
    t.match(parseAgentMessage(Buffer.from(JSON.stringify(message))), { ok: false, problem: /unknown kind/ }, kind);
  }
  t.end();
});

void t.test('while the agent does not read, changes are joined', async (t) => {
  const clock = systemClock();
  const [broker, agent] = await socketPair(t);
  const bytes = new Uint8Array(INVENTORY_LIMITS.bytes);
  let images: readonly ImageRecord[] = [];
  const sender = createBrokerImageSender(createLineChannel(broker, 1024, clock), () => images);
  const VERSIONS = 50;
  for (let version = 1; version <= VERSIONS; version += 1) {
    images = [
      {
        imageId: 'sha256:a',
        source: 'layers',
        problem: '',
        inventory: { digest: String(version).padStart(64, '0'), bytes },
      },
    ];
    sender.notify();
    await new Promise((resolve) => setImmediate(resolve));
  }
  t.ok(broker.writableLength < 2 * MAX_LINE, `${String(broker.writableLength)} bytes wait`);
  const assembly = createImageAssembly();
  let messages = 0;
  for await (const line of createLineChannel(agent, MAX_RESPONSE_BYTES, clock).lines()) {
    messages += 1;
    const parsed = parseBrokerMessage(line);
    if (!parsed.ok) throw new Error(parsed.problem);
    const inUse = assembly.add(parsed.value as Extract<BrokerMessage, { kind: 'image' | 'imageList' }>);
    if (inUse?.[0]?.inventory?.digest === String(VERSIONS).padStart(64, '0')) break;
  }
  t.ok(messages <= 6, `${String(messages)} messages for ${String(VERSIONS)} changes`);
});

/** A line with the largest inventory. */
const MAX_LINE = INVENTORY_LIMITS.bytes * 1.5;
