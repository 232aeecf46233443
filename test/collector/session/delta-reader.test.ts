import * as fc from 'fast-check';
import t from 'tap';
import { createDeltaReader } from '../../../collector/session/delta-reader.ts';
import { packFinding } from '../../../collector/store/row.ts';
import { findingId, SUBJECT_KINDS } from '../../../posture/finding.ts';
import type { Finding, SubjectKind } from '../../../posture/finding.ts';
import { SEVERITIES, VERDICTS } from '../../../posture/verdict.ts';
import { fromWire, toWire } from '../../../proto/finding-codec.ts';
import { decodeAgentMessage, encodeAgentMessage } from '../../../proto/fleet.ts';
import type { FindingDelta } from '../../../proto/fleet.ts';
import { hello, on } from './messages.ts';

const plain = fc.string({ unit: 'grapheme-ascii', maxLength: 60 }).map((text) => text.replaceAll(/["\\]/g, '_'));
const any = fc.oneof(
  { weight: 4, arbitrary: plain },
  fc.string({ unit: 'binary', maxLength: 30 }),
  fc.constantFrom('"', '\\', '\0', '✓', 'x'.repeat(20_000)),
);

function anyFinding(text: fc.Arbitrary<string>): fc.Arbitrary<Finding> {
  return fc
    .record({
      check: fc.constantFrom('container.a', 'kernel.some-setting', 'file.x.y'),
      kind: fc.constantFrom(...SUBJECT_KINDS),
      on: text.map((id) => `i${id}`),
      name: text,
      title: text,
      verdict: fc.constantFrom(...VERDICTS),
      severity: fc.constantFrom(...SEVERITIES),
      evidence: fc.array(fc.record({ source: text, seen: text, expected: text }), { maxLength: 4 }),
      reason: text,
    })
    .map(toFinding);
}

type Said = Omit<Finding, 'id' | 'subject'> & {
  readonly kind: SubjectKind;
  readonly on: string;
  readonly name: string;
  readonly reason: string;
};

function toFinding({ check, kind, on: id, name, reason, ...rest }: Said): Finding {
  const subject = { kind, id, name };
  const finding = { id: findingId(check, subject), check, subject, ...rest };
  return reason === '' ? finding : { ...finding, reason };
}

function anyDelta(text: fc.Arbitrary<string>): fc.Arbitrary<FindingDelta> {
  return fc.record({
    sequence: fc.nat(1e9),
    part: fc.nat(1000),
    last: fc.boolean(),
    snapshot: fc.boolean(),
    put: fc.array(anyFinding(text).map(toWire), { maxLength: 5 }),
    gone: fc.array(
      anyFinding(text).map(({ id }) => id.toWellFormed()),
      { maxLength: 3 },
    ),
    observedAtMs: fc.constantFrom(0, 1_780_272_000_000),
  });
}

/** What a complete decoder makes of the same bytes; a text where it refuses them. */
function slowly(bytes: Buffer): unknown {
  let message;
  try {
    message = decodeAgentMessage(bytes);
  } catch {
    return 'no message';
  }
  const { delta } = message;
  if (!delta) return 'no delta';
  const packed = [];
  for (const wire of delta.put ?? []) {
    const read = fromWire(wire);
    if (!read.ok) return read.problem;
    packed.push(packFinding(read.finding));
  }
  const { sequence = 0, part = 0, last = false, snapshot = false, observedAtMs = 0, gone = [] } = delta;
  return { sequence, part, last, snapshot, observedAtMs, packed, gone };
}

void t.test('what it reads is what a complete decoder reads; plain findings it always reads', (t) => {
  const read = createDeltaReader();
  fc.assert(
    fc.property(anyDelta(plain), (delta) => {
      const bytes = encodeAgentMessage({ delta });
      const found = read(bytes);
      return found !== undefined && JSON.stringify(found) === JSON.stringify(slowly(bytes));
    }),
    { numRuns: 500 },
  );
  fc.assert(
    fc.property(anyDelta(any), (delta) => {
      const bytes = encodeAgentMessage({ delta });
      const found = read(bytes);
      return found === undefined || JSON.stringify(found) === JSON.stringify(slowly(bytes));
    }),
    { numRuns: 500 },
  );
  t.end();
});

void t.test('a text that is as long as the last one, or begins as it, is read for itself', (t) => {
  const read = createDeltaReader();
  const subjects = [
    { kind: 'container', id: 'abc', name: 'one' },
    { kind: 'container', id: 'abc', name: 'two' },
    { kind: 'container', id: 'abd', name: 'two' },
    { kind: 'container', id: 'abd', name: '' },
    { kind: 'container', id: 'ab', name: '' },
    { kind: 'container', id: 'ab/c', name: 'o' },
    { kind: 'image', id: 'ab/c', name: 'on' },
  ];
  const put = subjects.map((subject) => ({ ...toWire(on('a')), subject }));
  const bytes = encodeAgentMessage({ delta: { sequence: 1, last: true, put } });
  t.same(
    read(bytes)?.packed?.map(({ subject, name }) => `${subject} ${name}`),
    subjects.map(({ kind, id, name }) => `${kind}/${id} ${name}`),
  );
  t.same(read(bytes), slowly(bytes));
  t.end();
});

void t.test('bytes that were changed, cut or made up: the same, or left to the complete decoder', (t) => {
  const read = createDeltaReader();
  const changed = fc
    .tuple(anyDelta(plain), fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 }), fc.nat())
    .map(([delta, changes, cut]) => {
      const bytes = Buffer.from(encodeAgentMessage({ delta }));
      for (const [at, byte] of changes) bytes[at % bytes.length] = byte;
      return cut % 4 === 0 ? bytes.subarray(0, cut % bytes.length) : bytes;
    });
  const madeUp = fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from([18, bytes.length, ...bytes]));
  fc.assert(
    fc.property(fc.oneof({ weight: 3, arbitrary: changed }, madeUp), (bytes) => {
      const found = read(bytes);
      return found === undefined || JSON.stringify(found) === JSON.stringify(slowly(bytes));
    }),
    { numRuns: 3000 },
  );
  t.end();
});

void t.test('what is beyond the bounds is left to the complete decoder', (t) => {
  const read = createDeltaReader();
  const of = (put: FindingDelta['put'], over: FindingDelta = {}): Buffer =>
    encodeAgentMessage({ delta: { sequence: 1, last: true, put: put ?? null, ...over } });
  const wire = toWire(on('a'));
  t.ok(read(of([wire])));
  const beyond = {
    'a long title': [{ ...wire, title: 'x'.repeat(16_385) }],
    'a long id': [{ ...wire, subject: { ...wire.subject, id: 'x'.repeat(4097) } }],
    'no id': [{ ...wire, subject: { ...wire.subject, id: '' } }],
    'a kind that is none': [{ ...wire, subject: { ...wire.subject, kind: 'file/x' } }],
    'no verdict': [{ ...wire, verdict: 0 }],
    'a check that is none': [{ ...wire, check: 'no check' }],
    'much evidence': [{ ...wire, evidence: Array.from({ length: 33 }, () => ({ seen: 'x' })) }],
    'many findings': Array.from({ length: 501 }, () => wire),
  } as const;
  for (const [name, put] of Object.entries(beyond)) t.equal(read(of([...put])), undefined, name);
  t.equal(read(of([], { gone: Array.from({ length: 501 }, () => 'a.b/file/x') })), undefined, 'much is gone');
  t.equal(read(of([], { sequence: 2 ** 60 })), undefined, 'a large number');
  t.equal(read(encodeAgentMessage(hello())), undefined, 'another message');
  t.equal(read(Buffer.alloc(0)), undefined);
  const largest = {
    ...wire,
    title: 'x'.repeat(16_384),
    subject: { ...wire.subject, id: 'y'.repeat(4096), name: 'z'.repeat(16_384) },
  };
  const bytes = of([largest]);
  t.same(read(bytes), slowly(bytes), 'at the bounds');
  t.end();
});
