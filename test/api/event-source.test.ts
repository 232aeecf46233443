import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import t from 'tap';
import { createEventParser, MAX_EVENT_CHARACTERS, readEvents } from '../../api/event-source.ts';
import type { ReadingOptions, ServerEvent } from '../../api/event-source.ts';

const parse = (text: string): readonly ServerEvent[] => createEventParser().push(text);

void t.test('the examples of WHATWG HTML, 9.2.6, and its corner cases', async (t) => {
  t.strictSame(parse('data: YHOO\ndata: +2\ndata: 10\n\n'), [{ type: 'message', data: 'YHOO\n+2\n10', id: '' }]);
  t.strictSame(parse(': test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n'), [
    { type: 'message', data: 'first event', id: '1' },
    { type: 'message', data: 'second event', id: '' },
    { type: 'message', data: ' third event', id: '' },
  ]);
  t.strictSame(
    parse('data\n\ndata\ndata\n\ndata:'),
    [
      { type: 'message', data: '', id: '' },
      { type: 'message', data: '\n', id: '' },
    ],
    'an event that is not ended by an empty line is not sent',
  );
  t.strictSame(
    parse('data:test\n\ndata: test\n\n').map(({ data }) => data),
    ['test', 'test'],
  );
  t.strictSame(parse('event: node\r\ndata: a\r\rid: 7\r\nid: 8\0\n\ndata:b\n\n'), [
    { type: 'node', data: 'a', id: '' },
    { type: 'message', data: 'b', id: '7' },
  ]);
  t.strictSame(parse('event: only\n\nretry: 1000\n\n: heartbeat\n\n'), [], 'without data there is no event');
  t.strictSame(parse('data: now\r\r'), [{ type: 'message', data: 'now', id: '' }], 'a CR ends a line at once');
});

/** Nobody waits for silence here. */
const patient: ReadingOptions = { silenceMs: 1, wait: () => new Promise<void>(() => undefined) };

async function readAll(body: ReadableStream<Uint8Array>, options = patient): Promise<readonly ServerEvent[]> {
  const events: ServerEvent[] = [];
  for await (const event of readEvents(body, options)) events.push(event);
  return events;
}

/** The events that are read from these bytes, one chunk after the other. */
function eventsOf(chunks: readonly Uint8Array[]): Promise<readonly ServerEvent[]> {
  const body = new ReadableStream<Uint8Array>({
    start: (controller) => {
      for (const chunk of chunks) controller.enqueue(chunk);
      controller.close();
    },
  });
  return readAll(body);
}

function cutAt(bytes: Uint8Array, cuts: readonly number[]): readonly Uint8Array[] {
  const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((one, other) => one - other), bytes.length];
  return places.slice(1).map((end, index) => bytes.subarray(places[index], end));
}

const cuts = fc.array(fc.nat({ max: 4096 }), { maxLength: 12 });
const lineEnd = fc.constantFrom('\n', '\r', '\r\n');
/** Text of one line, with characters of one to four bytes. It must not begin with a space: one is taken off. */
const word = fc
  .string({ unit: fc.constantFrom('a', ':', ' ', '\u00e9', '\u20ac', '\ud83d\udc33', '\t'), maxLength: 6 })
  .map((text) => text.trimStart());

void t.test('events are what was written, wherever the bytes are cut', async () => {
  const written = fc.record({
    type: fc.option(word, { nil: undefined }),
    id: fc.option(word, { nil: undefined }),
    lines: fc.array(word, { maxLength: 3 }),
    comment: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(written, lineEnd), { maxLength: 8 }), cuts, async (stream, cuts) => {
      let text = '';
      let id = '';
      const expected: ServerEvent[] = [];
      for (const [event, end] of stream) {
        const fields = [
          ...(event.comment ? [':', ': data: not this', 'other: field'] : []),
          ...(event.type === undefined ? [] : [`event: ${event.type}`]),
          ...(event.id === undefined ? [] : [`id:${event.id}`]),
          ...event.lines.map((line) => `data: ${line}`),
        ];
        text += [...fields, ''].map((line) => line + end).join('');
        id = event.id ?? id;
        const type = event.type === undefined || event.type === '' ? 'message' : event.type;
        if (event.lines.length > 0) expected.push({ type, data: event.lines.join('\n'), id });
      }
      const bytes = new TextEncoder().encode(text);
      return isDeepStrictEqual(await eventsOf(cutAt(bytes, cuts)), expected);
    }),
    { numRuns: 300 },
  );
});

void t.test('whatever the bytes are, it does not matter where they are cut', async () => {
  const piece = fc.oneof(
    fc.constantFrom('data: a', 'data', 'id: 3', 'event: x', ': c', '\ufeff', '\n', '\n', '\r', '\r\n', '\0'),
    fc.string({ unit: 'binary', maxLength: 6 }),
  );
  const bytes = fc.oneof(
    fc.array(piece, { maxLength: 30 }).map((pieces) => new TextEncoder().encode(pieces.join(''))),
    fc.uint8Array({ maxLength: 100 }),
  );
  await fc.assert(
    fc.asyncProperty(bytes, cuts, async (bytes, cuts) => {
      return isDeepStrictEqual(await eventsOf(cutAt(bytes, cuts)), await eventsOf([bytes]));
    }),
    { numRuns: 300 },
  );
});

void t.test('an event without end is refused, in whatever form it comes', async (t) => {
  const refused = (piece: string): void => {
    const parser = createEventParser();
    t.throws(() => {
      for (let count = 0; count < 50; count += 1) parser.push(piece);
    }, RangeError);
  };
  refused(`data: ${'x'.repeat(1024 * 1024)}\n`);
  refused('x'.repeat(1024 * 1024));
  refused('data\n'.repeat(100_000));
  t.throws(() => parse(`data: ${'x'.repeat(MAX_EVENT_CHARACTERS)}\n\n`), RangeError);
  t.equal(parse(`data: ${'x'.repeat(MAX_EVENT_CHARACTERS - 1)}\n\n`).length, 1);
});

void t.test('a stream that breaks, falls silent or sends too much ends', async (t) => {
  const first = new TextEncoder().encode('data: 1\n\n');
  const event = { type: 'message', data: '1', id: '' };
  const sending = (then: (controller: ReadableStreamDefaultController<Uint8Array>) => void | Promise<void>) => {
    let pulls = 0;
    return new ReadableStream<Uint8Array>({
      pull: (controller) => {
        pulls += 1;
        return pulls === 1 ? controller.enqueue(first) : then(controller);
      },
    });
  };
  const broken = sending((controller) => controller.error(new Error('ECONNRESET')));
  t.strictSame(await readAll(broken), [event]);
  const long = sending((controller) => controller.enqueue(new Uint8Array(1024 * 1024).fill(0x78)));
  t.strictSame(await readAll(long), [event]);
  const asked: number[] = [];
  const waited = {
    silenceMs: 45_000,
    // Time is over once the second bytes are waited for.
    wait: (ms: number, signal: AbortSignal) => (asked.push(ms) === 1 ? patient.wait(ms, signal) : Promise.resolve()),
  };
  const silent = sending(() => new Promise(() => undefined));
  t.strictSame(await readAll(silent, waited), [event]);
  t.strictSame(asked, [45_000, 45_000]);
});
