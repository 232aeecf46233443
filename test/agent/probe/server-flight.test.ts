import { assert, property, uint8Array, constantFrom } from 'fast-check';
import t from 'tap';
import { clientHello, TLS_VERSIONS } from '../../../agent/probe/client-hello.ts';
import { ownAddresses } from '../../../agent/probe/own-address.ts';
import { parseServerFlight } from '../../../agent/probe/server-flight.ts';

const record = (type: number, ...content: number[]): Buffer =>
  Buffer.of(type, 3, 3, content.length >> 8, content.length & 0xff, ...content);
const message = (type: number, ...body: number[]): number[] => [type, 0, body.length >> 8, body.length & 0xff, ...body];
const random = Array.from({ length: 32 }, (_, index) => index);
const serverHello = message(2, 3, 3, ...random, 0, 0xc0, 0x2b, 0);

void t.test('records written by hand from RFC 5246 and RFC 8446', (t) => {
  const tls12 = record(
    22,
    ...serverHello,
    ...message(11, 0, 0, 6, 0, 0, 3, 0xde, 0xad, 0xbe),
    ...message(13, 1, 1, 0, 2, 4, 3, 0, 0),
    ...message(14),
  );
  t.match(parseServerFlight(tls12), {
    state: 'complete',
    version: 0x0303,
    certificate: Buffer.of(0xde, 0xad, 0xbe),
    requestsCertificate: true,
    alert: undefined,
  });
  t.match(parseServerFlight(tls12.subarray(0, -1)), { state: 'more' }, 'cut');
  t.match(parseServerFlight(Buffer.alloc(0)), { state: 'more', version: 0 });

  const split = Buffer.concat([
    record(22, ...serverHello.slice(0, 7)),
    record(22, ...serverHello.slice(7), ...message(14)),
  ]);
  t.match(
    parseServerFlight(split),
    { state: 'complete', version: 0x0303, requestsCertificate: false },
    'over two records',
  );

  const tls13 = record(22, ...message(2, 3, 3, ...random, 0, 0x13, 0x01, 0, 0, 6, 0, 43, 0, 2, 3, 4));
  t.match(parseServerFlight(tls13), { state: 'complete', version: 0x0304 }, 'supported_versions');
  const encrypted = Buffer.concat([tls13, record(20, 1), record(23, 9, 9, 9)]);
  t.match(parseServerFlight(encrypted), { state: 'complete', version: 0x0304 }, 'what is encrypted ends it');

  t.match(parseServerFlight(record(21, 2, 70)), { state: 'complete', version: 0, alert: 70 });
  t.match(parseServerFlight(Buffer.concat([record(21, 1, 112), record(21, 2, 40)])), { alert: 40 }, 'after a warning');
  t.match(parseServerFlight(Buffer.from('HTTP/1.1 400 Bad Request\r\n')), { state: 'notTls' });
  t.match(parseServerFlight(Buffer.of(22, 2, 0, 0, 1, 0)), { state: 'notTls' });
  t.end();
});

void t.test('never throws, whatever the bytes', (t) => {
  assert(
    property(uint8Array({ maxLength: 300 }), constantFrom(0, 1, 5), (noise, kept) => {
      const bytes = Buffer.from(noise);
      Buffer.of(22, 3, 3, 0, 200).copy(bytes, 0, 0, kept);
      parseServerFlight(bytes);
      parseServerFlight(record(22, 2, 0, 0, Math.min(200, noise.length), ...noise));
    }),
    { numRuns: 2000 },
  );
  t.end();
});

void t.test('our own hello is a well-formed record', (t) => {
  for (const version of TLS_VERSIONS) {
    const hello = clientHello(version);
    t.equal(hello.readUInt16BE(3), hello.length - 5, 'length of the record');
    t.equal(hello.readUIntBE(6, 3), hello.length - 9, 'length of the message');
  }
  t.end();
});

void t.test('our own addresses', (t) => {
  const of = (address: string, family: 'IPv4' | 'IPv6', scopeid = 0): unknown => ({ address, family, scopeid });
  const interfaces = { lo: [of('127.0.0.1', 'IPv4')], eth0: [of('10.1.2.3', 'IPv4'), of('fe80::1', 'IPv6', 2)] };
  const own = (address: string): readonly string[] => ownAddresses(address, interfaces as never);
  t.strictSame(own('10.1.2.3'), ['10.1.2.3']);
  t.strictSame(own('::ffff:10.1.2.3'), ['10.1.2.3']);
  t.strictSame(own('fe80::1'), ['fe80::1%eth0']);
  t.strictSame(own('10.1.2.4'), []);
  t.strictSame(own('::'), ['::1', '127.0.0.1']);
  t.end();
});
