import * as fc from 'fast-check';
import t from 'tap';
import { findingHash } from '../../posture/digest.ts';
import { findingContent, findingId, SUBJECT_KINDS } from '../../posture/finding.ts';
import type { Finding } from '../../posture/finding.ts';
import { SEVERITIES, VERDICTS } from '../../posture/verdict.ts';
import { fromWire, toWire } from '../../proto/finding-codec.ts';
import type { WireFinding } from '../../proto/finding-codec.ts';
import { decodeAgentMessage, decodeDelta, encodeDelta } from '../../proto/fleet.ts';

/** A finding over the wire and back, as the collector reads it. */
function across(finding: Finding): Finding {
  const [wire] = decodeDelta(encodeDelta({ put: [toWire(finding)] })).put ?? [];
  const read = fromWire(wire ?? {});
  if (!read.ok) throw new Error(read.problem);
  return read.finding;
}

const anyText = fc.string({ unit: 'binary', maxLength: 40 });
const anyFinding = fc
  .record({
    check: fc.stringMatching(/^[a-z][a-z0-9-]{0,20}\.[a-z0-9][a-z0-9.-]{0,40}$/),
    title: anyText,
    verdict: fc.constantFrom(...VERDICTS),
    severity: fc.constantFrom(...SEVERITIES),
    subject: fc.record({
      kind: fc.constantFrom(...SUBJECT_KINDS),
      id: fc.string({ unit: 'binary', minLength: 1, maxLength: 80 }),
      name: anyText,
    }),
    evidence: fc.array(fc.record({ source: anyText, seen: anyText, expected: anyText }), { maxLength: 40 }),
    reason: fc.string({ unit: 'binary', minLength: 1 }),
  })
  .map((finding): Finding => Object.assign(finding, { id: findingId(finding.check, finding.subject) }));

await t.test('what is read is what was sent, and what the digest was computed over', (t) => {
  const sameOnBothSides = fc.property(anyFinding, (finding) => {
    const read = across(finding);
    return findingContent(across(read)) === findingContent(read) && findingHash(across(read)) === findingHash(read);
  });
  fc.assert(sameOnBothSides, { numRuns: 500 });
  const kept = fc.property(anyFinding, (finding) => {
    const read = across({ ...finding, evidence: finding.evidence.slice(0, 32) });
    return findingContent(read) === findingContent({ ...finding, evidence: finding.evidence.slice(0, 32) });
  });
  fc.assert(kept, { numRuns: 500 });
  t.end();
});

await t.test('beyond the bounds: cut, and the same on both sides', (t) => {
  const long: Finding = {
    id: '',
    check: 'file.docker-socket-mode',
    title: 'x'.repeat(20_000),
    verdict: 'fail',
    severity: 'low',
    subject: { kind: 'file', id: `/${'ä'.repeat(5000)}`, name: '\ud800 alone' },
    evidence: Array.from({ length: 40 }, () => ({ source: 's', seen: 'y'.repeat(17_000), expected: '' })),
    reason: '',
  };
  const read = across(long);
  t.equal(read.title.length, 16 * 1024);
  t.match(read.title, /…$/, 'and says so');
  t.equal(read.evidence.length, 32);
  t.equal(read.subject.name, '\ufffd alone', 'a lone surrogate cannot be sent');
  t.equal('reason' in read, false, 'an empty reason is none');
  t.equal(read.id, findingId(read.check, read.subject));
  t.ok(Buffer.byteLength(read.subject.id) <= 4096);
  t.same(across(read), read, 'cut once, it stays');
  const pair = fromWire(toWire({ ...long, title: `${'x'.repeat(16_382)}😀😀` }));
  t.same(pair.ok && across(pair.finding), pair.ok && pair.finding, 'a pair that is cut in two leaves no half');
  const other = { ...long, subject: { ...long.subject, id: `/${'ä'.repeat(4999)}b` } };
  t.not(across(other).id, read.id, 'ids that are cut stay different');
  t.end();
});

await t.test('what no agent of ours would send is refused', (t) => {
  const good = toWire({
    id: '',
    check: 'kernel.lockdown',
    title: '',
    verdict: 'pass',
    severity: 'info',
    subject: { kind: 'node', id: 'n1', name: '' },
    evidence: [],
  });
  t.match(fromWire(good), { ok: true });
  const bad: readonly (readonly [WireFinding, RegExp])[] = [
    [{}, /check/],
    [{ ...good, check: 'Kernel.lockdown' }, /check/],
    [{ ...good, check: 'kernel' }, /check/],
    [{ ...good, check: `kernel.${'x'.repeat(128)}` }, /check/],
    [{ ...good, check: 'kernel.a/b' }, /check/],
    [{ ...good, verdict: 0 }, /verdict/],
    [{ ...good, verdict: 6 as never }, /verdict/],
    [{ ...good, severity: 0 }, /severity/],
    [{ ...good, subject: null }, /subject/],
    [{ ...good, subject: { kind: 'pod', id: 'x' } }, /subject/],
    [{ ...good, subject: { kind: 'node', id: '' } }, /subject/],
    [{ ...good, subject: { kind: 'file', id: 'ä'.repeat(2049) } }, /subject/],
    [{ ...good, evidence: Array.from({ length: 33 }, () => ({})) }, /evidence/],
  ];
  for (const [wire, problem] of bad) t.match(fromWire(wire), { ok: false, problem });
  t.end();
});

await t.test('any bytes: a message or an error, and what can be read never throws later', (t) => {
  const anyBytes = fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
    let message;
    try {
      message = decodeAgentMessage(bytes);
    } catch (error) {
      return error instanceof Error;
    }
    for (const wire of message.delta?.put ?? []) fromWire(wire);
    return true;
  });
  fc.assert(anyBytes, { numRuns: 3000 });
  t.end();
});
