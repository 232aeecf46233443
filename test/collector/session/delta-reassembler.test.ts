import * as fc from 'fast-check';
import t from 'tap';
import { createDeltaReassembler } from '../../../collector/session/delta-reassembler.ts';
import type { Assembled } from '../../../collector/session/delta-reassembler.ts';
import { toWire } from '../../../proto/finding-codec.ts';
import { decodeDelta } from '../../../proto/fleet.ts';
import { on } from './messages.ts';

const BOUNDS = { maxDeltaFindings: 5000, maxDeltaBytes: 1_000_000, maxPartialBytes: 2_000_000 };

await t.test('however a delta is cut into parts, it comes out whole', (t) => {
  const cutAnyhow = fc.property(
    fc.array(fc.tuple(fc.nat(3), fc.nat(3)), { minLength: 1, maxLength: 12 }),
    fc.boolean(),
    (cuts, isSnapshot) => {
      const budget = { bytes: 0 };
      const reassembler = createDeltaReassembler(BOUNDS, budget);
      const [put, gone]: [string[], string[]] = [[], []];
      let last: Assembled = { state: 'partial' };
      for (const [part, [puts, gones]] of cuts.entries()) {
        if (last.state !== 'partial') return false;
        const names = Array.from({ length: puts }, (_, index) => `p${String(part)}.${String(index)}`);
        const ids = Array.from({ length: gones }, (_, index) => on(`g${String(part)}.${String(index)}`).id);
        put.push(...names);
        gone.push(...ids);
        const isLast = part === cuts.length - 1;
        const message = { sequence: 3, part, last: isLast, snapshot: isSnapshot, gone: ids, observedAtMs: 1000 + part };
        last = reassembler.add({ ...message, put: names.map((name) => toWire(on(name))) }, 100);
      }
      if (last.state !== 'whole' || budget.bytes !== 0) return false;
      const { delta } = last;
      return (
        delta.sequence === 3 &&
        delta.snapshot === isSnapshot &&
        delta.observedAtMs === 999 + cuts.length &&
        delta.put.map(({ subject }) => subject).join() === put.map((name) => `container/${name}`).join() &&
        delta.gone.join() === gone.join()
      );
    },
  );
  fc.assert(cutAnyhow);
  t.end();
});

await t.test('any bytes: refused or taken, never thrown, and the budget is given back', (t) => {
  const anyBytes = fc.property(fc.array(fc.uint8Array({ maxLength: 80 }), { maxLength: 8 }), (messages) => {
    const budget = { bytes: 0 };
    const reassembler = createDeltaReassembler(BOUNDS, budget);
    for (const bytes of messages) {
      let part;
      try {
        part = decodeDelta(bytes);
      } catch {
        continue; // no message: that is told before it comes here
      }
      if (reassembler.add(part, bytes.length).state === 'refused') break;
    }
    reassembler.release();
    return budget.bytes === 0;
  });
  fc.assert(anyBytes, { numRuns: 2000 });
  t.end();
});
