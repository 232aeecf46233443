import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { Client, credentials, Server, ServerCredentials, status } from '@grpc/grpc-js';
import type { ClientDuplexStream, ServerDuplexStream } from '@grpc/grpc-js';
import t from 'tap';
import type { Test } from 'tap';
import { limitMessages, readOneAtATime, releaseLastMessage, trackSockets } from '../../service/grpc-internals.ts';

type Call = ServerDuplexStream<Buffer, Buffer>;

const METHOD = {
  path: '/test.Echo/Talk',
  requestStream: true,
  responseStream: true,
  requestSerialize: (bytes: Buffer) => bytes,
  requestDeserialize: (bytes: Buffer) => bytes,
  responseSerialize: (bytes: Buffer) => bytes,
  responseDeserialize: (bytes: Buffer) => bytes,
} as const;

/** A call over loopback, seen from both ends. */
async function open(t: Test): Promise<{ client: ClientDuplexStream<Buffer, Buffer>; server: Call }> {
  const { promise, resolve } = Promise.withResolvers<Call>();
  const server = new Server();
  server.addService({ Talk: METHOD }, { Talk: resolve });
  const port = await new Promise<number>((bound, failed) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, on) =>
      error === null ? bound(on) : failed(error),
    ),
  );
  const client = new Client(`127.0.0.1:${String(port)}`, credentials.createInsecure());
  t.teardown(() => {
    client.close();
    server.forceShutdown();
  });
  const call = client.makeBidiStreamRequest(METHOD.path, METHOD.requestSerialize, METHOD.responseDeserialize);
  call.on('error', () => undefined);
  call.resume();
  return { client: call, server: await promise };
}

void t.test('the version is pinned: another one has other internals', (t) => {
  const { dependencies } = JSON.parse(readFileSync('package.json', 'utf8')) as {
    dependencies: Record<string, string>;
  };
  const installed = JSON.parse(readFileSync('node_modules/@grpc/grpc-js/package.json', 'utf8')) as { version: string };
  t.match(dependencies['@grpc/grpc-js'], /^\d+\.\d+\.\d+$/);
  t.equal(installed.version, dependencies['@grpc/grpc-js']);
  t.end();
});

void t.test('a call that is not read holds one message, not sixteen', async (t) => {
  const { client, server } = await open(t);
  readOneAtATime(server);
  t.equal(server.readableHighWaterMark, 1);
  for (let index = 0; index < 40; index += 1) client.write(Buffer.from([index]));
  const first = await new Promise<Buffer>((resolve) => server.once('readable', () => resolve(server.read())));
  t.equal(first[0], 0);
  await new Promise((resolve) => setTimeout(resolve, 100));
  t.ok(server.readableLength <= 2, `${String(server.readableLength)} messages wait`);
});

void t.test('a message over the limit of its call ends it, one within it does not', async (t) => {
  const { client, server } = await open(t);
  server.on('error', () => undefined);
  limitMessages(server, 100);
  const received = new Promise<Buffer>((resolve) => server.once('data', resolve));
  const ended = new Promise<number>((resolve) => client.once('status', ({ code }) => resolve(code)));
  client.write(Buffer.alloc(100));
  t.equal((await received).length, 100);
  client.write(Buffer.alloc(101));
  t.equal(await ended, status.RESOURCE_EXHAUSTED);
});

void t.test('a call that waits for its next message does not hold the last one', async (t) => {
  const { client, server } = await open(t);
  const held = (): number => {
    const { decoder } = (server as unknown as { call: { decoder: { readPartialMessage: Buffer[] } } }).call;
    return decoder.readPartialMessage.reduce((sum, { length }) => sum + length, 0);
  };
  const messages = server.iterator({ destroyOnReturn: false }) as AsyncIterator<Buffer>;
  for (const size of [100_000, 10]) {
    client.write(Buffer.alloc(size, 1));
    t.equal(((await messages.next()).value as Buffer).length, size);
    t.equal(held(), size, 'grpc-js holds it');
    releaseLastMessage(server);
    t.equal(held(), 0);
    const { decoder } = (server as unknown as { call: { decoder: { readCompressFlag: Buffer } } }).call;
    t.equal(decoder.readCompressFlag.length, 0, 'not even the byte that was cut out of the first part');
  }
  // In the middle of a message its parts stay.
  const { decoder } = (server as unknown as { call: { decoder: { write: (data: Buffer) => Buffer[] } } }).call;
  const framed = Buffer.concat([Buffer.from([0, 0, 0, 0, 4]), Buffer.from('text')]);
  t.same(decoder.write(framed.subarray(0, 7)), []);
  releaseLastMessage(server);
  t.same(decoder.write(framed.subarray(7)), [framed]);
});

void t.test('the sockets of a client are known', (t) => {
  const secure = credentials.createFromSecureContext(createSecureContext({}));
  const connector = (): unknown => Reflect.get(secure, '_createSecureConnector');
  const before = connector();
  t.type(before, 'function', 'what is replaced is there; test/agent/transport/dial.test.ts shows the effect');
  trackSockets(secure)();
  t.not(connector(), before);
  t.end();
});
