import fc from 'fast-check';
import t from 'tap';
import type { Problem, Result } from '../../../console/api/client.ts';
import { createEventParser, MAX_EVENT_CHARACTERS } from '../../../console/live/event-source.ts';
import { pauseMs, watch } from '../../../console/live/watch.ts';
import type { LiveItem } from '../../../console/live/watch.ts';
import { happened, shown } from '../finding.ts';

/** The examples of WHATWG HTML, 9.2.6, and its corner cases. */
const STREAMS: readonly (readonly [string, readonly object[]])[] = [
  ['data: YHOO\ndata: +2\ndata: 10\n\n', [{ type: 'message', data: 'YHOO\n+2\n10', id: '' }]],
  [
    ': test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n',
    [
      { type: 'message', data: 'first event', id: '1' },
      { type: 'message', data: 'second event', id: '' },
      { type: 'message', data: ' third event', id: '' },
    ],
  ],
  [
    'data\n\ndata\ndata\n\ndata:',
    [
      { type: 'message', data: '', id: '' },
      { type: 'message', data: '\n', id: '' },
    ],
  ],
  [
    'event: node\r\ndata: a\r\rid: 7\r\nid: 8\u0000\n\ndata:b\n\n',
    [
      { type: 'node', data: 'a', id: '' },
      { type: 'message', data: 'b', id: '7' },
    ],
  ],
  ['retry: 1000\n\n: heartbeat\n\n', []],
];

void t.test('a stream is taken apart wherever it is cut', async (t) => {
  for (const [stream, events] of STREAMS) {
    t.strictSame(createEventParser().push(stream), events);
    fc.assert(
      fc.property(fc.array(fc.nat({ max: stream.length }), { maxLength: 6 }), (cuts) => {
        const parser = createEventParser();
        const places = [0, ...cuts.toSorted((one, other) => one - other), stream.length];
        const found = places.slice(1).flatMap((end, index) => parser.push(stream.slice(places[index], end)));
        t.strictSame(found, events);
      }),
    );
  }
  t.throws(() => createEventParser().push(`data: ${'x'.repeat(MAX_EVENT_CHARACTERS)}`), RangeError);
});

const REFUSED: Problem = { kind: 'signedOut', message: 'no', hint: '', retryAfterMs: 0 };

/** A collector that answers each connection with the next of these, and then refuses. */
function scripted(answers: readonly (string | Problem)[]) {
  const asked: string[] = [];
  const waited: number[] = [];
  const open = (lastId: string): Promise<Result<Response>> => {
    const answer = answers[asked.length] ?? REFUSED;
    asked.push(lastId);
    return Promise.resolve(
      typeof answer === 'string' ? { ok: true, value: new Response(answer) } : { ok: false, problem: answer },
    );
  };
  const wait = (ms: number, signal: AbortSignal): Promise<void> => {
    // The watch for silence waits 45 s; it is never the one that ends here.
    if (ms === 45_000) return new Promise((resolve) => signal.addEventListener('abort', () => resolve()));
    waited.push(ms);
    return Promise.resolve();
  };
  return { asked, waited, open, wait };
}

async function items(answers: readonly (string | Problem)[]) {
  const { asked, waited, open, wait } = scripted(answers);
  const seen: LiveItem[] = [];
  for await (const item of watch({ open, wait, random: () => 0.5, signal: new AbortController().signal }))
    seen.push(item);
  return { asked, waited, types: seen.map(({ type }) => type) };
}

const event = (position: number): string =>
  `id: ${String(position)}\nevent: finding\ndata: ${JSON.stringify(happened('opened', shown(), null, position))}\n\n`;

void t.test('a connection that breaks is made again where it broke off', async (t) => {
  const { asked, types } = await items([event(4) + event(5), event(6)]);
  t.strictSame(asked, ['', '5', '6']);
  t.strictSame(types, ['connected', 'finding', 'finding', 'lost', 'connected', 'finding', 'lost', 'lost']);
});

void t.test('what may have been missed is a gap', async (t) => {
  t.strictSame(
    (await items(['', ''])).types,
    ['connected', 'lost', 'connected', 'gap', 'lost', 'lost'],
    'no id to resume at',
  );
  const broken = `event: gap\ndata: {}\n\nevent: overflow\ndata: {}\n\nevent: finding\ndata: {"x":1}\n\nevent: new\ndata: 1\n\n`;
  t.strictSame((await items([broken])).types, ['connected', 'gap', 'gap', 'gap', 'lost', 'lost']);
});

void t.test('attempts that fail wait longer, and as long as they are told to', async (t) => {
  const unreachable: Problem = { ...REFUSED, kind: 'unreachable' };
  const busy: Problem = { ...REFUSED, kind: 'failed', retryAfterMs: 9000 };
  const { waited, types } = await items([unreachable, unreachable, unreachable, busy]);
  t.strictSame(waited, [250, 500, 1000, 9000]);
  t.strictSame(types, ['lost', 'lost', 'lost', 'lost', 'lost']);
  t.equal(pauseMs(50, 1), 15_000, 'never longer than this');
});

void t.test('a stream that falls silent is given up', async (t) => {
  const silent = new Response(new ReadableStream<Uint8Array>({ pull: () => new Promise(() => undefined) }));
  let opened = 0;
  const open = (): Promise<Result<Response>> => {
    opened += 1;
    return Promise.resolve(opened === 1 ? { ok: true, value: silent } : { ok: false, problem: REFUSED });
  };
  const seen: string[] = [];
  const options = { open, wait: () => Promise.resolve(), random: () => 0, signal: new AbortController().signal };
  for await (const { type } of watch(options)) seen.push(type);
  t.strictSame(seen, ['connected', 'lost', 'lost']);
});
