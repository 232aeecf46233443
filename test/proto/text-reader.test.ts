import * as fc from 'fast-check';
import t from 'tap';
import { decodeAgentMessage, encodeAgentMessage } from '../../proto/fleet.ts';

void t.test('any text that can be written is read as it was', (t) => {
  const anyText = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 200 }),
    fc.constantFrom('', '\uFFFD', 'a\uFFFDb', '✓'),
  );
  fc.assert(
    fc.property(anyText, (raw) => {
      const nodeName = raw.toWellFormed();
      const read = decodeAgentMessage(encodeAgentMessage({ hello: { nodeName } }));
      return (read.hello?.nodeName ?? '') === nodeName;
    }),
    { numRuns: 500 },
  );
  t.end();
});

void t.test('what is no UTF-8 is refused, and so is text beyond the end', (t) => {
  // AgentMessage.hello (field 1) with node_name (field 5), both length-delimited.
  const message = (text: readonly number[], length = text.length): Buffer =>
    Buffer.from([0x0a, text.length + 2, 0x2a, length, ...text]);
  t.equal(decodeAgentMessage(message([0x77, 0x65, 0x62])).hello?.nodeName, 'web');
  const wrong = {
    'a lone byte': [0xff],
    'cut in two': [0x61, 0xe2, 0x9c],
    overlong: [0xc0, 0xaf],
    surrogate: [0xed, 0xa0, 0x80],
  };
  for (const [name, text] of Object.entries(wrong)) t.throws(() => decodeAgentMessage(message(text)), name);
  t.throws(() => decodeAgentMessage(message([0x61], 9)), 'longer than the message');
  t.end();
});
