import t from 'tap';
import {
  decodeAgentMessage,
  decodeCollectorMessage,
  encodeAgentMessage,
  encodeCollectorMessage,
} from '../../proto/fleet.ts';

/*
 * Worked out by hand from fleet.proto and the encoding of protocol buffers
 * (https://protobuf.dev/programming-guides/encoding): each field is `number << 3 | wire type`, then its value.
 */

await t.test('the bytes are those of the protocol buffers encoding', (t) => {
  const hello = { agentVersion: '0.1.0', capabilities: ['q'], epoch: 'e' };
  t.equal(encodeAgentMessage({ hello }).toString('hex'), ['0a0d', '0a05302e312e30', '120171', '1a0165'].join(''));
  t.equal(encodeAgentMessage({ heartbeat: { sequence: 5 } }).toString('hex'), '22020805');
  t.equal(encodeCollectorMessage({ ack: { sequence: 300 } }).toString('hex'), '120308ac02');
  const delta = decodeAgentMessage(Buffer.from(['1207', '0803', '1801', '38e807'].join(''), 'hex')).delta;
  t.match(delta, { sequence: 3, last: true, observedAtMs: 1000 });
  t.match(decodeCollectorMessage(Buffer.from('0a021801', 'hex')).welcome, { resync: true });
  t.end();
});

await t.test('64-bit numbers are plain numbers up to 2^53 - 1', (t) => {
  const { heartbeat } = decodeAgentMessage(Buffer.from('220910ffffffffffffff0f', 'hex'));
  t.equal(heartbeat?.digest, 2 ** 53 - 1);
  const again = decodeAgentMessage(encodeAgentMessage({ heartbeat: { digest: 2 ** 53 - 1, rssBytes: 2 ** 40 } }));
  t.match(again.heartbeat, { digest: 2 ** 53 - 1, rssBytes: 2 ** 40 });
  const beyond = decodeAgentMessage(Buffer.from('220b10ffffffffffffffffff01', 'hex'));
  t.notOk(Number.isSafeInteger(beyond.heartbeat?.digest), 'what lies beyond can be told');
  t.end();
});

await t.test('what a later version adds is ignored', (t) => {
  const message = decodeAgentMessage(Buffer.from(['fa010178', '22020805'].join(''), 'hex'));
  t.match(message.heartbeat, { sequence: 5 });
  t.end();
});
