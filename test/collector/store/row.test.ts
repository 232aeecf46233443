import * as fc from 'fast-check';
import t from 'tap';
import { detailOf, eventUid, findingNumber, findingUid, hashOf, uidNumber } from '../../../collector/store/row.ts';
import { findingHash } from '../../../posture/digest.ts';
import { SEVERITIES, VERDICTS } from '../../../posture/verdict.ts';
import { finding } from './fleet.ts';

/** Texts with what could be mistaken for the end of one. */
const anyText = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc
    .array(fc.constantFrom('"', '\\', ',', '","', '\\",\\"', '[', ']', 'a', '\u2028', '\0'), { maxLength: 6 })
    .map((parts) => parts.join('')),
);

void t.test('the hash that is made from the detail is the hash of the finding', (t) => {
  const anyFinding = fc.record({
    on: anyText,
    title: anyText,
    verdict: fc.constantFrom(...VERDICTS),
    severity: fc.constantFrom(...SEVERITIES),
    evidence: fc.array(fc.record({ source: anyText, seen: anyText, expected: anyText }), { maxLength: 3 }),
    reason: fc.option(anyText, { nil: undefined }),
  });
  fc.assert(
    fc.property(anyFinding, ({ reason, ...rest }) => {
      const any = finding(reason === undefined ? rest : { ...rest, reason });
      return hashOf(any, detailOf(any)) === findingHash(any);
    }),
    { numRuns: 2000 },
  );
  t.end();
});

void t.test('the number of a finding is the first 52 bits of its uid, which is SHA-256 of its node and its id', (t) => {
  // printf 'n1\nfile.mode/node/n1' | sha256sum
  t.match(findingUid('n1', 'file.mode/node/n1'), /^4a049588bbae3393b95d430c9833cf3f$/);
  t.equal(findingNumber('n1', 'file.mode/node/n1'), 0x4a049588bbae3);
  fc.assert(
    fc.property(anyText, anyText, (nodeId, id) => findingNumber(nodeId, id) === uidNumber(findingUid(nodeId, id))),
  );
  t.end();
});

void t.test('the uid of an event is written as toString(36) would', (t) => {
  fc.assert(
    fc.property(fc.maxSafeNat(), fc.maxSafeNat(), (position, atMs) => {
      return eventUid('s', position, atMs) === `s-${position.toString(36)}-${atMs.toString(36)}`;
    }),
  );
  t.equal(eventUid('s', 0, 1_780_272_000_000), 's-0-mpufzeo0');
  t.end();
});
