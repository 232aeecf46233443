import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { Socket } from 'node:net';
import t from 'tap';
import { encodeAgentMessage, MAX_MESSAGE_BYTES } from '../../../proto/fleet.ts';
import type { AgentMessage } from '../../../proto/fleet.ts';
import { toWire } from '../../../proto/finding-codec.ts';
import { all } from '../store/fleet.ts';
import { startCollector } from './collector.ts';
import { delta, hello, on, snapshot } from './messages.ts';

await t.test('what breaks the contract ends the session, and the node is told why', async (t) => {
  const collector = await startCollector(t);
  const wire = toWire(on('a'));
  const cases: readonly (readonly [string, readonly AgentMessage[], RegExp])[] = [
    ['no Hello first', [delta(1, [])], /begins with Hello/],
    ['an empty message first', [{}], /begins with Hello/],
    ['two Hellos', [hello(), hello()], /second Hello/],
    ['Hello without an epoch', [hello({ epoch: '' })], /epoch/],
    ['Hello with an endless epoch', [hello({ epoch: 'e'.repeat(129) })], /epoch/],
    ['acked beyond 2^53', [hello({ ackedSequence: 2 ** 60 })], /acked_sequence/],
    ['sequence 0', [hello(), delta(0, [])], /sequence/],
    ['sequence beyond 2^53', [hello(), delta(2 ** 60, [])], /sequence/],
    ['begins in the middle', [hello(), delta(1, [], { part: 1 })], /begins with part 1/],
    ['a part is missing', [hello(), delta(1, [], { last: false }), delta(1, [], { part: 2 })], /part 1 .* missing/],
    ['another delta in between', [hello(), delta(1, [], { last: false }), delta(2, [], { part: 1 })], /missing/],
    [
      'snapshot in part',
      [hello(), delta(1, [], { last: false }), delta(1, [], { part: 1, snapshot: true })],
      /in part/,
    ],
    [
      '501 findings',
      [
        hello(),
        delta(
          1,
          Array.from({ length: 501 }, () => on('a')),
        ),
      ],
      /more than 500/,
    ],
    ['501 gone', [hello(), delta(1, [], { gone: Array.from({ length: 501 }, () => on('a').id) })], /more than 500/],
    ['gone, but no id', [hello(), delta(1, [], { gone: ['nonsense'] })], /no finding/],
    [
      'a finding that only the collector makes',
      [hello(), delta(1, [], { put: [{ ...wire, check: 'image.tag-moved' }] })],
      /only the collector/,
    ],
    ['the end of such a finding', [hello(), delta(1, [], { gone: ['image.tag-moved/image/sha256:aa'] })], /no finding/],
    [
      'no verdict',
      [hello(), delta(1, [], { put: [{ ...wire, verdict: 0 }] })],
      /finding 0 of delta 1: no valid verdict/,
    ],
    ['unknown severity', [hello(), delta(1, [], { put: [{ ...wire, severity: 77 as never }] })], /severity/],
    ['no subject', [hello(), delta(1, [], { put: [wire, { ...wire, subject: null }] })], /finding 1 .*subject/],
    ['a path as check', [hello(), delta(1, [], { put: [{ ...wire, check: '../../etc' }] })], /check id/],
    [
      '10,001 containers',
      [hello(), { inventory: { containers: Array.from({ length: 10_001 }, () => ({})) } }],
      /10000/,
    ],
  ];
  for (const [name, messages, details] of cases) {
    const node = await collector.connect('n1');
    for (const message of messages) node.say(message);
    t.match(await node.ended, { name: 'INVALID_ARGUMENT', details }, name);
  }
  t.same(await all(collector.store), [], 'nothing of it was stored');
  const said = JSON.stringify(collector.lines);
  t.notMatch(said, /CapEff/, 'nothing of what was said stands in the log');
});

await t.test('bytes that are no message', async (t) => {
  const collector = await startCollector(t);
  const welcomed = encodeAgentMessage(hello());
  const cases = [
    ['garbage', Buffer.from('ff'.repeat(64), 'hex')],
    ['a length beyond the end', Buffer.from('12ffffff7f', 'hex')],
    ['nested without end', Buffer.from('1201'.repeat(1000), 'hex')],
    ['cut in the middle', encodeAgentMessage(delta(1, [on('a')])).subarray(0, 40)],
  ] as const;
  for (const [name, bytes] of cases) {
    const node = await collector.connect('n1', { raw: true });
    node.call.write(welcomed as never);
    node.call.write(bytes as never);
    t.match(await node.ended, { name: 'INVALID_ARGUMENT', details: /not a message/ }, name);
  }
  // Decoders keep both: its first byte would not say that it brings findings.
  const hidden = Buffer.concat([encodeAgentMessage({ heartbeat: {} }), encodeAgentMessage(delta(1, [on('a')]))]);
  const node = await collector.connect('n1', { raw: true });
  node.call.write(welcomed as never);
  node.call.write(hidden as never);
  t.match(await node.ended, { name: 'INVALID_ARGUMENT', details: /after something else/ });
  t.same(await all(collector.store), []);
});

await t.test('bounds: a message, a delta, all deltas, a node', async (t) => {
  const bounds = { maxDeltaFindings: 1200, maxDeltaBytes: 300_000, maxPartialBytes: 400_000, maxNodeFindings: 1000 };
  const collector = await startCollector(t, bounds);
  const big = await collector.connect('n1', { raw: true });
  big.call.write(encodeAgentMessage(hello()) as never);
  big.call.write(Buffer.alloc(MAX_MESSAGE_BYTES + 1) as never);
  t.match(await big.ended, { name: 'RESOURCE_EXHAUSTED' }, 'a message over 1 MiB');

  const many = Array.from({ length: 400 }, (_, index) => on(String(index)));
  const long = on('a', { evidence: [{ source: 's', seen: 'x'.repeat(16_000), expected: '' }] });
  const wide = await collector.connect('n1');
  wide.say(hello());
  for (let part = 0; part < 4; part += 1) wide.say(delta(1, many, { part, last: false }));
  t.match(await wide.ended, { name: 'RESOURCE_EXHAUSTED', details: /1200 findings/ });
  const heavy = await collector.connect('n1');
  heavy.say(hello());
  heavy.say(
    delta(
      1,
      Array.from({ length: 20 }, () => long),
      { last: false },
    ),
  );
  t.match(await heavy.ended, { name: 'RESOURCE_EXHAUSTED', details: /300000 bytes/ });

  const half = Array.from({ length: 14 }, () => long);
  const one = await collector.connect('n1');
  one.say(hello());
  one.say(delta(1, half, { last: false, snapshot: true }));
  one.say({ heartbeat: { rssBytes: 7 } });
  await collector.item((item) => item.type === 'node' && item.node.agentRssBytes === 7);
  const other = await collector.connect('n2');
  other.say(hello());
  other.say(delta(1, half, { last: false }));
  t.match(await other.ended, { name: 'RESOURCE_EXHAUSTED', details: /unfinished deltas/ }, 'all together');
  one.close();
  await collector.item((item) => item.type === 'node' && item.node.id === 'n1' && item.node.offlineSinceMs > 0);
  const next = await collector.connect('n2');
  next.say(hello());
  next.say(snapshot(1, half));
  await next.hearA('welcome');
  t.match(await next.hearA('ack'), { sequence: 1 }, 'what was unfinished is removed with its session');

  const full = await collector.connect('n3');
  full.say(hello());
  full.say(snapshot(1, many));
  full.say(
    delta(
      2,
      many.map((_, index) => on(`b${String(index)}`)),
    ),
  );
  full.say(delta(3, many));
  await full.hearA('welcome');
  t.match(await full.ended, { name: 'RESOURCE_EXHAUSTED', details: /1000 findings/ });
  t.equal((await all(collector.store)).filter(({ nodeId }) => nodeId === 'n3').length, 800);
});

await t.test('a peer that says nothing, and one that does not listen', async (t) => {
  const impatient = await startCollector(t, { helloTimeoutMs: 30 });
  const silent = await impatient.connect('n1');
  t.match(await silent.ended, { name: 'DEADLINE_EXCEEDED', details: /no Hello/ });
  const slow = await startCollector(t, { deltaTimeoutMs: 30 });
  const halfway = await slow.connect('n1');
  halfway.say(hello());
  halfway.say(delta(1, [], { last: false }));
  t.match(await halfway.ended, { name: 'DEADLINE_EXCEEDED', details: /unfinished/ });

  const collector = await startCollector(t, { maxUnsentMessages: 20 });
  const deaf = await collector.connect('n2');
  deaf.say(hello());
  await deaf.hearA('welcome');
  deaf.call.pause();
  const { sessions } = collector.server;
  const expression = 'x'.repeat(4000);
  let sent = 0;
  // What the sockets of both sides hold is some megabytes at most.
  while (sent < 50_000 && sessions.send('n2', { query: { id: String(sent), expression } })) {
    sent += 1;
    if (sent % 10 === 0) await new Promise(setImmediate);
  }
  t.ok(sent < 50_000, `given up after ${String(sent)} messages`);
  t.same(sessions.connected(), []);
  const gone = collector.lines.find(({ message, fields }) => message === 'session over' && fields['nodeId'] === 'n2');
  t.match(gone?.fields, { details: 'this node does not read what it is sent' });
});

await t.test('one session more than there is room for', async (t) => {
  const collector = await startCollector(t, { maxSessions: 2 });
  for (const nodeId of ['n1', 'n2']) {
    const node = await collector.connect(nodeId);
    node.say(hello());
    await node.hearA('welcome');
  }
  const third = await collector.connect('n3');
  t.match(await third.ended, { name: 'RESOURCE_EXHAUSTED', details: /as many sessions/ });
  const again = await collector.connect('n1');
  again.say(hello());
  t.ok(await again.hearA('welcome'), 'a node that connects again replaces its own session');
  const late = await collector.connect('n3');
  t.match(
    await late.ended,
    { name: 'RESOURCE_EXHAUSTED', details: /as many sessions/ },
    'and makes no room for others',
  );
});

await t.test('a peer whose machine is gone without a word', async (t) => {
  const collector = await startCollector(t, { keepaliveMs: 100, keepaliveTimeoutMs: 1500 });
  const [host = '', port] = collector.server.address.split(':');
  const sockets: Socket[] = [];
  // A wire that can be cut so that neither end is told.
  const wire = createServer((near) => {
    const far = connect(Number(port), host);
    for (const socket of [near, far]) {
      sockets.push(socket);
      socket.on('error', () => undefined);
    }
    near.pipe(far).pipe(near);
  });
  wire.listen(0, host);
  await once(wire, 'listening');
  t.teardown(() => {
    wire.close();
    for (const socket of sockets) socket.destroy();
  });
  const bound = wire.address();
  const address = `${host}:${String(typeof bound === 'object' ? bound?.port : 0)}`;
  const node = await collector.connect('n1', { address });
  node.say(hello());
  await node.hearA('welcome');
  node.say(snapshot(1, []));
  await node.hearA('ack');
  for (const socket of sockets) socket.unpipe().pause();
  await collector.item((item) => item.type === 'node' && item.node.offlineSinceMs > 0);
  t.same(collector.server.sessions.connected(), [], 'noticed by the ping that nobody answered');
});
