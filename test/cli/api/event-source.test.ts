import * as fc from 'fast-check';
import t from 'tap';
import { createEventParser, MAX_EVENT_CHARACTERS } from '../../../cli/api/event-source.ts';

const parse = (text: string) => createEventParser().push(text);

// The examples of the WHATWG HTML standard, 9.2.6.
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
t.strictSame(parse('event: finding\r\ndata: x\r\rid: 7\ndata: y\n\n'), [
  { type: 'finding', data: 'x', id: '' },
  { type: 'message', data: 'y', id: '7' },
]);
t.strictSame(parse('id: a\0b\ndata: x\n\n'), [{ type: 'message', data: 'x', id: '' }], 'an id with NUL is ignored');
t.strictSame(parse('event: only\n\nretry: 100\n\n'), [], 'without data there is no event');

void t.test('it does not matter where the stream is cut', (t) => {
  const line = fc.oneof(
    fc.constantFrom('', 'data: a', 'data: b c', 'id: 3', 'event: finding', ': comment', 'data', 'nonsense: 1', '🐳'),
    fc.string({ maxLength: 10 }).filter((text) => !/[\r\n]/.test(text)),
  );
  const stream = fc.array(fc.tuple(line, fc.constantFrom('\n', '\r', '\r\n')), { maxLength: 30 });
  fc.assert(
    fc.property(stream, fc.array(fc.nat(200), { maxLength: 8 }), (lines, cuts) => {
      const text = lines.map((part) => part.join('')).join('');
      const parser = createEventParser();
      const places = [0, ...cuts.filter((cut) => cut < text.length).sort((a, b) => a - b), text.length];
      const pieces = places.slice(1).map((end, index) => text.slice(places[index], end));
      const whole = JSON.stringify(parse(`${text}\n`));
      return JSON.stringify(pieces.concat('\n').flatMap((piece) => parser.push(piece))) === whole;
    }),
  );
  t.end();
});

void t.test('an event without end is refused', (t) => {
  const parser = createEventParser();
  const piece = 'x'.repeat(1024 * 1024);
  t.throws(() => {
    for (let size = 0; size <= MAX_EVENT_CHARACTERS; size += piece.length) parser.push(`data: ${piece}\n`);
  }, RangeError);
  t.end();
});
