import fc from 'fast-check';
import t from 'tap';
import { safe } from '../../../api/safe.ts';
import { FACILITIES, formatMessage, frameOf } from '../../../collector/sink/syslog-message.ts';
import type { Facility, SyslogMessage } from '../../../collector/sink/syslog-message.ts';
import { frameReader, parseMessage } from './rfc5424.ts';

const MESSAGE: SyslogMessage = {
  facility: 'local4',
  severity: 5,
  // RFC 5424, section 6.2.3.1, example 2: 2003-10-11T22:14:15.003Z.
  atMs: 1_065_910_455_003,
  hostname: 'mymachine.example.com',
  appName: 'evntslog',
  procId: '-',
  msgId: 'ID47',
  element: { id: 'exampleSDID@32473', parameters: { iut: '3', eventSource: 'Application', eventID: '1011' } },
  text: 'An application event log entry...',
};

await t.test('example 3 of RFC 5424, without its byte-order mark', async (t) => {
  t.equal(
    formatMessage(MESSAGE),
    '<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog - ID47 ' +
      '[exampleSDID@32473 iut="3" eventSource="Application" eventID="1011"] An application event log entry...',
  );
});

await t.test('what the format does not take', async (t) => {
  const of = (over: Partial<SyslogMessage>) => parseMessage(Buffer.from(formatMessage({ ...MESSAGE, ...over })));
  t.match(of({ hostname: '', msgId: '' }), { hostname: undefined, msgId: undefined });
  t.equal(of({ hostname: 'wéb 1\n' }).hostname, 'w_b_1_');
  t.equal(of({ hostname: 'fe80::1[a]' }).hostname, 'fe80__1_a_');
  t.equal(of({ hostname: 'h'.repeat(300) }).hostname?.length, 255);
  t.equal(of({ appName: 'a'.repeat(300), procId: 'p'.repeat(300), msgId: 'm'.repeat(300) }).msgId?.length, 32);
  for (const atMs of [Number.NaN, Infinity, 9e15, 253_402_300_800_000]) t.equal(of({ atMs }).timestamp, undefined);
  const value = (text: string): string | undefined =>
    of({ element: { id: 'x@32473', parameters: { value: text } } })
      .elements.get('x@32473')
      ?.get('value');
  t.equal(value(String.raw`a"b\c]d[e=f\n`), String.raw`a"b\c]d[e=f\n`);
  t.equal(value('schön 日本 😀'), 'schön 日本 😀');
  t.equal(value('a\nb\u0000\u009b\u2028\ud800'), String.raw`a\nb\x00\x9b\u2028\ud800`);
  t.equal(value('exe.\u202egpj\u2066\u{e0041}'), String.raw`exe.\u202egpj\u2066\u{e0041}`);
  t.equal(value('x'.repeat(1000))?.length, 200);
  t.match(formatMessage({ ...MESSAGE, element: { id: 'x@1', parameters: { v: '"\\]' } } }), /v="\\"\\\\\\]"/);
});

await t.test('any message comes back from an independent reader; the length counts bytes', async (t) => {
  const text = fc.string({ unit: 'binary', maxLength: 300 });
  const messages = fc.record({
    facility: fc.constantFrom(...(Object.keys(FACILITIES) as Facility[])),
    severity: fc.integer({ min: 0, max: 7 }),
    atMs: fc.oneof(fc.double(), fc.integer({ min: 0, max: 4e12 })),
    hostname: text,
    appName: text,
    procId: text,
    msgId: text,
    element: fc.record({ id: fc.constant('p@32473'), parameters: fc.record({ a: text, b: text }) }),
    text: fc.string({ unit: 'grapheme', maxLength: 300 }),
  });
  fc.assert(
    fc.property(fc.array(messages, { maxLength: 4 }), fc.integer({ min: 1, max: 50 }), (list, step) => {
      const stream = Buffer.concat(list.map((message) => frameOf(formatMessage(message))));
      const read = frameReader();
      const found: Buffer[] = [];
      for (let at = 0; at < stream.length; at += step) found.push(...read(stream.subarray(at, at + step)));
      const parsed = found.map(parseMessage);
      return (
        parsed.length === list.length &&
        parsed.every((one, index) => {
          const message = list[index];
          if (message === undefined) return false;
          const { a, b } = message.element.parameters;
          const values = one.elements.get('p@32473');
          return (
            one.facility === FACILITIES[message.facility] &&
            one.severity === message.severity &&
            one.text === message.text &&
            values?.get('a') === safe(a.slice(0, 200)) &&
            values?.get('b') === safe(b.slice(0, 200)) &&
            (one.timestamp === undefined || Date.parse(one.timestamp) === Math.trunc(message.atMs))
          );
        })
      );
    }),
    { numRuns: 300 },
  );
  t.pass();
});
