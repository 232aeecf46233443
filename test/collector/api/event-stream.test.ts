import { connect } from 'node:net';
import type { Socket } from 'node:net';
import t from 'tap';
import { createEventParser } from '../../../api/event-source.ts';
import type { ServerEvent } from '../../../api/event-source.ts';
import { createFakeClock } from '../../service/fake-clock.ts';
import { violations } from '../../fixture/json-schema.ts';
import { commit, finding, nodeRow } from '../store/fleet.ts';
import { startServer, TOKEN } from './server.ts';
import type { ApiServer } from './server.ts';

/** A reader of the stream. */
interface Reader {
  /** Waits until `count` events are there; answers all that are. */
  readonly take: (count: number) => Promise<readonly ServerEvent[]>;
  readonly text: () => string;
  readonly leave: () => void;
  /** Resolves once the server ended the stream. */
  readonly ended: Promise<void>;
}

async function read(server: ApiServer, path = '/v1/events', headers: Record<string, string> = {}): Promise<Reader> {
  const leaving = new AbortController();
  const response = await server.fetch(path, {
    headers: { authorization: `Bearer ${TOKEN}`, ...headers },
    signal: leaving.signal,
  });
  if (response.status !== 200) throw new Error(`HTTP ${String(response.status)}`);
  const parser = createEventParser();
  const events: ServerEvent[] = [];
  let text = '';
  let wake = (): void => undefined;
  const ended = (async () => {
    for await (const chunk of response.body ?? []) {
      const piece = Buffer.from(chunk as Uint8Array).toString('utf8');
      text += piece;
      events.push(...parser.push(piece));
      wake();
    }
  })().catch(() => undefined);
  return {
    take: async (count) => {
      while (events.length < count) await new Promise<void>((resolve) => (wake = resolve));
      return events;
    },
    text: () => text,
    leave: () => leaving.abort(),
    ended,
  };
}

const bad = (on: string) => finding({ check: 'container.capabilities', on });
const subjectOf = ({ data }: ServerEvent): string =>
  (JSON.parse(data) as { finding: { subject: { id: string } } }).finding.subject.id;

void t.test('changes come as they happen, and match the document', async (t) => {
  const server = await startServer(t);
  const reader = await read(server);
  await server.commit(commit({ sequence: 1, snapshot: true, put: [bad('c1'), bad('c2')] }));
  server.eventBus.publish({ type: 'node', node: nodeRow() });
  server.eventBus.publish({ type: 'nodeRemoved', nodeId: 'n2' });
  const [first, second, third, fourth] = await reader.take(4);
  t.match(first, { type: 'finding', id: '1' });
  t.match(second, { type: 'finding', id: '2' });
  t.match(third, { type: 'node', id: '2' }, 'a node has no position of its own');
  t.match(JSON.parse(first?.data ?? ''), { position: 1, action: 'opened', finding: { verdict: 'fail' } });
  const document = (await (await server.fetch('/openapi.json')).json()) as {
    paths: {
      '/v1/events': {
        get: { responses: { 200: { content: { 'text/event-stream': { schema: { oneOf: { title: string }[] } } } } } };
      };
    };
  };
  const { oneOf } = document.paths['/v1/events'].get.responses[200].content['text/event-stream'].schema;
  t.match(fourth, { type: 'nodeRemoved', data: '{"nodeId":"n2"}' });
  for (const event of [first, third, fourth]) {
    const schema = oneOf.find(({ title }) => title === event?.type);
    t.strictSame(violations(schema, JSON.parse(event?.data ?? ''), document), [], event?.type ?? '');
  }
  reader.leave();
});

void t.test('who comes back gets what came meanwhile, then goes on live, without a gap or a double', async (t) => {
  const server = await startServer(t);
  const total = 700;
  const ids = Array.from({ length: total }, (_, index) => `c${String(index)}`);
  await server.commit(commit({ sequence: 1, snapshot: true, put: ids.slice(0, 500).map(bad) }));
  // The second half arrives while the first is being replayed.
  const [byHeader, byParameter] = await Promise.all([
    read(server, '/v1/events', { 'last-event-id': '100' }),
    read(server, '/v1/events?after=100'),
    ...ids.slice(500).map((id, index) => server.commit(commit({ sequence: 2 + index, put: [bad(id)] }))),
  ]);
  for (const reader of [byHeader, byParameter]) {
    const events = await reader.take(total - 100);
    t.equal(events.length, total - 100);
    t.strictSame(
      events.map(({ id }) => Number(id)),
      ids.slice(100).map((_, index) => 101 + index),
    );
    t.strictSame(new Set(events.map(subjectOf)).size, total - 100, 'every finding once');
    reader.leave();
  }
});

void t.test('the header is newer than the parameter', async (t) => {
  const server = await startServer(t);
  await server.commit(commit({ sequence: 1, snapshot: true, put: [bad('a'), bad('b'), bad('c')] }));
  const reader = await read(server, '/v1/events?after=0', { 'last-event-id': '2' });
  const events = await reader.take(1);
  t.strictSame(
    events.map(({ id }) => id),
    ['3'],
  );
  reader.leave();
  const wrong = await server.fetch('/v1/events', {
    headers: { authorization: `Bearer ${TOKEN}`, 'last-event-id': 'x' },
  });
  t.equal(wrong.status, 400);
});

void t.test('a reader that remembers a store that is no more sees the new one', async (t) => {
  const server = await startServer(t);
  const reader = await read(server, '/v1/events?after=999999');
  await server.commit(commit({ sequence: 1, snapshot: true, put: [bad('a')] }));
  t.match(await reader.take(2), [{ type: 'gap' }, { id: '1' }]);
  await server.commit(commit({ sequence: 2, put: [bad('b')] }));
  t.equal((await reader.take(3)).length, 3);
  reader.leave();
});

void t.test('a stream that is silent says that it is alive', async (t) => {
  const clock = createFakeClock();
  const server = await startServer(t, { clock });
  const reader = await read(server);
  await clock.advance(15_000);
  await clock.advance(15_000);
  server.eventBus.publish({ type: 'node', node: nodeRow() });
  await reader.take(1);
  t.equal(reader.text().split(': heartbeat\n\n').length - 1, 2);
  reader.leave();
});

/** A client that sends its request and then reads nothing. */
function openSilent(server: ApiServer): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(server.port, '127.0.0.1', () => {
      socket.write(`GET /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${TOKEN}\r\n\r\n`);
      socket.once('readable', () => resolve(socket));
    });
    socket.once('error', reject);
  });
}

/** About 20 KiB each: some hundred fill every buffer between the two ends. */
const large = (on: string) =>
  finding({
    check: 'container.capabilities',
    on,
    evidence: [{ source: 's', seen: 'x'.repeat(10_000), expected: 'y'.repeat(10_000) }],
  });

void t.test('a slow reader is served at its own pace, and misses nothing', async (t) => {
  const server = await startServer(t);
  const socket = await openSilent(server);
  const total = 1_000;
  const ids = Array.from({ length: total }, (_, index) => `c${String(index)}`);
  for (let start = 0; start < total; start += 100)
    await server.commit(
      commit({ sequence: 1 + start / 100, snapshot: start === 0, put: ids.slice(start, start + 100).map(large) }),
    );
  const parser = createEventParser();
  const seen: string[] = [];
  let head = '';
  for await (const chunk of socket) {
    // Chunked transfer coding: the framing lines are no event fields, and are passed over by the parser.
    head += (chunk as Buffer).toString('latin1');
    const end = head.lastIndexOf('\n');
    for (const event of parser.push(dechunk(head.slice(0, end + 1)))) seen.push(event.id);
    head = head.slice(end + 1);
    if (seen.length >= total) break;
  }
  t.strictSame(
    seen,
    ids.map((_, index) => String(index + 1)),
  );
  socket.destroy();
});

/** Takes out the lines of chunked transfer coding: none of our lines looks like one. */
function dechunk(text: string): string {
  return text.replaceAll(/(?:^|\r\n)[0-9a-f]+\r\n/g, '');
}

void t.test('a reader that reads nothing is dropped with an overflow event', async (t) => {
  const clock = createFakeClock();
  const server = await startServer(t, { clock });
  const socket = await openSilent(server);
  const ids = Array.from({ length: 1_000 }, (_, index) => `c${String(index)}`);
  await server.commit(commit({ sequence: 1, snapshot: true, put: ids.map(large) }));
  await clock.advance(31_000);
  let tail = '';
  for await (const chunk of socket) {
    tail = (tail + (chunk as Buffer).toString('latin1')).slice(-1_000);
    if (tail.includes('event: overflow')) break;
  }
  t.match(tail, /event: overflow\ndata: \{"reason":"this reader took nothing for too long/);
  socket.destroy();
});

void t.test('closing ends the streams; who has most of them makes room for others, and gets no more', async (t) => {
  const server = await startServer(t);
  // Each principal has a limit of its own below that of all.
  const tokens = await Promise.all(Array.from({ length: 4 }, () => server.createToken('viewer')));
  const readers = await Promise.all(
    tokens.flatMap((token) =>
      Array.from({ length: 32 }, () => read(server, '/v1/events', { authorization: `Bearer ${token}` })),
    ),
  );
  const refused = await server.fetch('/v1/events', { headers: { authorization: `Bearer ${tokens[1] ?? ''}` } });
  t.equal(refused.status, 503);
  t.match(await refused.json(), { error: { code: 'unavailable' } });
  const another = await read(server, '/v1/events');
  await readers[0]?.ended;
  t.pass('the oldest of those with most of them has ended');
  await server.close();
  await Promise.all([another, ...readers].map(({ ended }) => ended));
  t.pass('all ended');
});
