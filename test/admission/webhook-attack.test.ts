import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { Agent, request } from 'node:https';
import { connect as connectPlain } from 'node:net';
import { connect } from 'node:tls';
import type { TLSSocket } from 'node:tls';
import { promisify } from 'node:util';
import t from 'tap';
import { createBodyBudget } from '../../service/body-budget.ts';
import type { Reservation } from '../../service/body-budget.ts';
import { isWithin } from '../../admission/json-bounds.ts';
import { createReviewQueue } from '../../admission/review-queue.ts';
import { MAX_BODY_BYTES, openWebhookServer } from '../../admission/webhook-server.ts';
import type { WebhookServer } from '../../admission/webhook-server.ts';
import { systemClock } from '../../service/clock.ts';
import { issueCertificate } from '../../service/tls/issue.ts';
import { review } from '../fixture/admission-requests.ts';
import { cpuMs } from '../fixture/cpu-time.ts';
import { restrictedPod } from '../fixture/pods.ts';

const authority = await issueCertificate({ kind: 'authority' }, undefined, Date.now());
const leaf = await issueCertificate({ kind: 'server', names: ['localhost'] }, authority, Date.now());
const HONEST = JSON.stringify(review({ object: restrictedPod() }));

async function startServer(clientCa?: string): Promise<WebhookServer> {
  return openWebhookServer(
    { host: '0.0.0.0', port: 0 },
    { cert: leaf.certificatePem, key: leaf.keyPem, ...(clientCa === undefined ? {} : { clientCa }) },
    {
      respond: (_path, { uid }) => ({ uid, allowed: true }),
      onError: (error) => t.fail(String(error)),
      clock: systemClock(),
    },
  );
}

/** The status of a review from an address of this machine; 0: no answer. */
function ask(port: number, localAddress: string, agent: Agent | false = false, identity: object = {}): Promise<number> {
  return new Promise((resolve) => {
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(HONEST) };
    const sent = request(
      {
        host: '127.0.0.1',
        servername: 'localhost',
        port,
        localAddress,
        path: '/validate',
        method: 'POST',
        headers,
        agent,
        ca: authority.certificatePem,
        ...identity,
      },
      (response) => {
        response.resume();
        response.once('end', () => resolve(response.statusCode ?? 0));
        response.once('error', () => resolve(0));
      },
    );
    sent.setTimeout(5_000, () => sent.destroy());
    sent.once('error', () => resolve(0));
    sent.end(HONEST);
  });
}

const HEAD = (length: number | 'chunked'): string =>
  `POST /validate HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n${length === 'chunked' ? 'transfer-encoding: chunked' : `content-length: ${String(length)}`}\r\n\r\n`;

const DEEP = Buffer.from(`{"request":${'['.repeat(MAX_BODY_BYTES / 2 - 20)}`.padEnd(MAX_BODY_BYTES, ']'));
const WIDE = Buffer.from(`{${Array.from({ length: 400_000 }, (_, i) => `"k${String(i)}":1`).join(',')}}`);
const HELD = Buffer.concat([Buffer.from(HEAD(MAX_BODY_BYTES)), Buffer.alloc(MAX_BODY_BYTES - 1, 0x20)]);

/** What hostile clients do with a connection, over and over. */
const ATTACKS: readonly ((socket: TLSSocket) => void)[] = [
  // All but the last byte of the largest body, which then never comes.
  (socket) => void socket.write(HELD),
  (socket) => void socket.write(HEAD(MAX_BODY_BYTES)),
  (socket) => {
    socket.write(HEAD(50_000));
    const timer = setInterval(() => socket.write(' '), 200);
    socket.once('close', () => clearInterval(timer));
  },
  (socket) => void socket.write(`${HEAD('chunked')}80000\r\n${' '.repeat(0x80000)}\r\n`),
  (socket) => void (socket.write(HEAD(DEEP.length)) && socket.write(DEEP)),
  (socket) => void (socket.write(HEAD(WIDE.length)) && socket.write(WIDE)),
  () => undefined,
];

/** Sends reviews on four connections, each as soon as the answer before it has arrived; prints how many had none. */
const HASTY = `
const { Agent, request } = require('node:https');
const { port, ca, body } = JSON.parse(process.argv[1]);
const agent = new Agent({ keepAlive: true, maxSockets: 4 });
let [left, failed] = [3000, 0];
const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
const options = { host: '127.0.0.1', servername: 'localhost', port, path: '/validate', method: 'POST', headers, agent, ca };
const next = () => {
  if (left-- <= 0) return;
  const sent = request(options, (response) => void response.resume().once('end', next));
  sent.once('error', () => void ((failed += 1), next())).end(body);
};
for (let each = 0; each < 4; each += 1) next();
process.once('exit', () => console.log(failed));
`;

t.test('a client that sends its next review at once keeps its connection', async (t) => {
  const server = await startServer();
  t.teardown(server.close);
  const given = JSON.stringify({ port: server.address.port, ca: authority.certificatePem, body: HONEST });
  // Another process: in this one it would have its turn only after the server.
  const { stdout } = await promisify(execFile)(process.execPath, ['--eval', HASTY, given], { timeout: 60_000 });
  t.equal(stdout, '0\n');
});

t.test('honest reviews are answered while 50 hostile clients of five addresses attack', async (t) => {
  const server = await startServer();
  t.teardown(server.close);
  const { port } = server.address;
  const sockets = new Set<{ readonly destroy: () => void }>();
  let [isOver, attacks] = [false, 0];
  const attacker = async (index: number): Promise<void> => {
    const localAddress = `127.0.0.${String(10 + (index % 5))}`;
    const attack = ATTACKS[index % ATTACKS.length];
    while (!isOver) {
      attacks += 1;
      const plain = connectPlain({ host: '127.0.0.1', port, localAddress }).on('error', () => undefined);
      const socket = connect({ socket: plain, servername: 'localhost', ca: authority.certificatePem });
      sockets.add(socket);
      socket.on('error', () => undefined).resume();
      socket.once('secureConnect', () => attack?.(socket));
      await new Promise((resolve) => socket.once('close', resolve));
      sockets.delete(socket);
    }
  };
  const running = Array.from({ length: 50 }, (_, index) => attacker(index));
  // Connections that say nothing.
  for (let left = 300; left > 0; left -= 1) {
    const socket = connectPlain({ host: '127.0.0.1', port, localAddress: '127.0.0.10' }).on('error', () => undefined);
    sockets.add(socket);
  }
  await new Promise((resolve) => setTimeout(resolve, 500));
  const agent = new Agent({ keepAlive: true, maxSockets: 8 });
  const statuses: number[] = [];
  for (let round = 0; round < 5; round += 1) {
    statuses.push(
      ...(await Promise.all([
        ...Array.from({ length: 8 }, () => ask(port, '127.0.0.2', agent)),
        // A new connection, as after a restart of the API server.
        ask(port, '127.0.0.3'),
      ])),
    );
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  isOver = true;
  for (const socket of sockets) socket.destroy();
  agent.destroy();
  await Promise.all(running);
  t.strictSame(
    statuses.filter((status) => status !== 200),
    [],
    `${String(statuses.length)} reviews, ${String(attacks)} attacks`,
  );
});

t.test('a small review from the address of those that hold large bodies is answered too', async (t) => {
  const server = await startServer();
  t.teardown(server.close);
  const { port } = server.address;
  const sockets = await Promise.all(
    Array.from({ length: 9 }, async () => {
      const socket = connect({ host: '127.0.0.1', port, servername: 'localhost', ca: authority.certificatePem });
      socket.on('error', () => undefined).resume();
      await once(socket, 'secureConnect');
      await new Promise((resolve) => socket.write(HELD, resolve));
      return socket;
    }),
  );
  t.equal(await ask(port, '127.0.0.1'), 200);
  for (const socket of sockets) socket.destroy();
});

t.test('with a client CA, who has no certificate gets no further than the handshake', async (t) => {
  const clients = await issueCertificate({ kind: 'authority' }, undefined, Date.now());
  const client = await issueCertificate({ kind: 'node', nodeId: 'api-server' }, clients, Date.now());
  const server = await startServer(clients.certificatePem);
  t.teardown(server.close);
  const { port } = server.address;
  const startedMs = cpuMs();
  for (let left = 10; left > 0; left -= 1) {
    const socket = connect({ host: '127.0.0.1', port, servername: 'localhost', ca: authority.certificatePem });
    let answer = '';
    socket.on('error', () => undefined).on('data', (part: Buffer) => (answer += part.toString('latin1')));
    socket.once('secureConnect', () => socket.write(HEAD(WIDE.length)) && socket.write(WIDE));
    await new Promise((resolve) => socket.once('close', resolve));
    t.equal(answer, '', 'no answer');
  }
  // Ours for both ends of ten handshakes; a body of this kind costs some 300 ms each to parse.
  t.ok(cpuMs() - startedMs < 1_500);
  const identity = { cert: client.certificatePem, key: client.keyPem };
  t.equal(await ask(port, '127.0.0.1', false, identity), 200);
});

t.test('the greediest request is cut, and not the newest', (t) => {
  const cut: string[] = [];
  const { reserve } = createBodyBudget(100);
  const one = (network: string, bytes: number, name = `${network}${String(bytes)}`): Reservation => ({
    network,
    bytes,
    cut: () => cut.push(name),
  });
  const cases: readonly (readonly [one: Reservation, isReserved: boolean, cut: readonly string[]])[] = [
    [one('a', 40), true, []],
    [one('a', 30), true, []],
    [one('b', 20), true, []],
    [one('b', 20), true, ['a40']],
    [one('b', 10), true, []],
    [one('c', 5), true, []],
    [one('c', 60), false, []],
  ];
  const releases = cases.map(([reservation, isReserved, expected]) => {
    cut.length = 0;
    const release = reserve(reservation);
    t.equal(release !== undefined, isReserved, `${reservation.network} ${String(reservation.bytes)}`);
    t.strictSame(cut, expected);
    return release;
  });
  for (const release of releases) release?.();
  for (const release of releases) release?.();
  t.type(reserve(one('d', 100)), 'function', 'nothing is left, also where it is released twice');
  t.end();
});

t.test('many small requests of many networks do not displace a large one below its share', (t) => {
  const cut: string[] = [];
  const { reserve } = createBodyBudget(1_000);
  reserve({ network: 'honest', bytes: 90, cut: () => cut.push('honest') });
  for (let index = 0; index < 200; index += 1)
    reserve({ network: `hostile ${String(index % 5)}`, bytes: 10 + (index % 7), cut: () => cut.push('hostile') });
  t.ok(cut.length > 0);
  t.notOk(cut.includes('honest'));
  t.end();
});

t.test('who has used least is served next, and who has given up is not served', async (t) => {
  let nowMs = 0;
  const queue = createReviewQueue(() => nowMs);
  const served: string[] = [];
  const MIB = 1024 * 1024;
  const job = (network: string, bytes: number, { isOver = false, deadlineMs = 1e9 } = {}): Promise<unknown> =>
    queue.run({ network, bytes, deadlineMs, isOver: () => isOver }, () => {
      served.push(`${network} ${String(bytes / MIB)}`);
      nowMs += (bytes / MIB) * 60;
      return true;
    });
  const results = await Promise.all([
    job('hostile', 5 * MIB),
    job('hostile', 4 * MIB),
    job('other', 4 * MIB),
    job('hostile', MIB),
    job('late', 2 * MIB, { deadlineMs: -1 }),
    job('gone', 2 * MIB, { isOver: true }),
    job('honest', MIB / 64),
    job('honest', MIB / 64),
  ]);
  t.strictSame(served, ['honest 0.015625', 'honest 0.015625', 'hostile 1', 'other 4', 'hostile 4', 'hostile 5']);
  t.strictSame(results, [true, true, true, true, undefined, undefined, true, true]);
});

t.test('bounds of a document, without parsing it', (t) => {
  const bounds = { depth: 4, values: 10 };
  const within = (text: string): boolean => isWithin(Buffer.from(text), bounds);
  for (const text of [
    '{}',
    '',
    '"',
    '[[[[]]]]',
    '{"a":"[[[[[[","b":"\\"[[[[[[","c":"\\\\"}',
    '[1,2,3,4,5,6,7,8,9,10]',
    '}}}}[[[[',
  ])
    t.ok(within(text), text);
  for (const text of [
    '[[[[[',
    '{"a":{"b":{"c":{"d":{}}}}}',
    '[1,2,3,4,5,6,7,8,9,10,11]',
    '{"a\\\\":[[[[',
    `[${'{},'.repeat(6)}]`,
  ])
    t.notOk(within(text), text);
  t.end();
});
