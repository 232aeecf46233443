import * as fc from 'fast-check';
import t from 'tap';
import { deltaSize, diff } from '../../posture/delta.ts';
import type { FindingSet } from '../../posture/delta.ts';
import { findingContent, findingId, sameContent, SUBJECT_KINDS } from '../../posture/finding.ts';
import type { Finding, SubjectKind } from '../../posture/finding.ts';
import { SEVERITIES, VERDICTS } from '../../posture/verdict.ts';
import { applyDelta } from './apply-delta.ts';

type Said = Omit<Finding, 'id' | 'subject' | 'reason'> & {
  readonly kind: SubjectKind;
  readonly on: string;
  readonly name: string;
  readonly reason: string | undefined;
};

/** Few identities, so that two sets meet; contents of all kinds. */
const anyFinding: fc.Arbitrary<Finding> = fc
  .record({
    check: fc.constantFrom('container.a', 'container.b', 'kernel.c'),
    kind: fc.constantFrom(...SUBJECT_KINDS),
    on: fc.constantFrom('1', '/x', 'a/b'),
    name: fc.constantFrom('one', 'two'),
    title: fc.constantFrom('T', 'U'),
    verdict: fc.constantFrom(...VERDICTS),
    severity: fc.constantFrom(...SEVERITIES),
    evidence: fc.array(fc.record({ source: fc.string(), seen: fc.string(), expected: fc.string() }), { maxLength: 2 }),
    reason: fc.option(fc.string(), { nil: undefined }),
  })
  .map(toFinding);

function toFinding({ check, kind, on, name, reason, ...rest }: Said): Finding {
  const subject = { kind, id: on, name };
  const finding = { id: findingId(check, subject), check, subject, ...rest };
  return reason === undefined ? finding : { ...finding, reason };
}

const anySet: fc.Arbitrary<FindingSet> = fc
  .array(anyFinding, { maxLength: 30 })
  .map((findings) => new Map(findings.map((finding) => [finding.id, finding])));

/** Another set that has much in common with the first: the same findings, copies of them, and new ones. */
const twoSets = fc.tuple(anySet, anySet, fc.array(fc.nat(2), { maxLength: 30 })).map(([before, other, fates]) => {
  const after = new Map(other);
  [...before.values()].forEach((finding, index) => {
    const fate = fates[index] ?? 0;
    if (fate === 0) after.set(finding.id, finding);
    if (fate === 1) after.set(finding.id, structuredClone(finding));
  });
  return [before, after] as const;
});

const contents = (set: FindingSet): string => [...set.values()].map(findingContent).sort().join('\n');

void t.test('findings are the same if they have the same canonical content', (t) => {
  const isRight = (one: Finding, other: Finding): boolean =>
    sameContent(one, other) === (findingContent(one) === findingContent(other));
  fc.assert(fc.property(anyFinding, anyFinding, (one, other) => isRight(one, other)));
  fc.assert(fc.property(anyFinding, (finding) => sameContent(finding, structuredClone(finding))));
  const finding = toFinding({
    check: 'container.a',
    kind: 'container',
    on: '1',
    name: 'one',
    title: 'T',
    verdict: 'fail',
    severity: 'low',
    evidence: [{ source: 's', seen: 'a', expected: 'e' }],
    reason: 'r',
  });
  const { reason: _reason, ...silent } = finding;
  const [entry] = finding.evidence;
  if (entry === undefined) throw new Error('it has one');
  const others: readonly Finding[] = [
    silent,
    { ...finding, verdict: 'pass' },
    { ...finding, severity: 'high' },
    { ...finding, title: 'U' },
    { ...finding, id: 'container.a/container/2' },
    { ...finding, subject: { ...finding.subject, name: 'two' } },
    { ...finding, reason: 'q' },
    { ...finding, evidence: [] },
    { ...finding, evidence: [entry, entry] },
    { ...finding, evidence: [{ ...entry, source: 't' }] },
    { ...finding, evidence: [{ ...entry, seen: 'b' }] },
    { ...finding, evidence: [{ ...entry, expected: 'f' }] },
  ];
  for (const other of others) t.notOk(sameContent(finding, other), JSON.stringify(other));
  t.ok(others.every((other) => isRight(finding, other)));
  t.end();
});

void t.test('the difference applied to the old state gives the new one, once or twice', (t) => {
  fc.assert(
    fc.property(twoSets, ([before, after]) => {
      const delta = diff(before, after);
      const once = applyDelta(before, delta);
      return contents(once) === contents(after) && contents(applyDelta(once, delta)) === contents(after);
    }),
    { numRuns: 500 },
  );
  t.end();
});

void t.test('a difference names what differs and nothing else, each once', (t) => {
  fc.assert(
    fc.property(twoSets, ([before, after]) => {
      const { added, changed, gone } = diff(before, after);
      const textOf = (set: FindingSet, id: string): string | undefined => {
        const found = set.get(id);
        return found === undefined ? undefined : findingContent(found);
      };
      const named = [...added.map(({ id }) => id), ...changed.map(({ id }) => id), ...gone];
      const all = new Set([...before.keys(), ...after.keys()]);
      const differing = [...all].filter((id) => textOf(before, id) !== textOf(after, id));
      return (
        JSON.stringify(named.toSorted()) === JSON.stringify(differing.toSorted()) &&
        added.every(({ id }) => !before.has(id)) &&
        changed.every(({ id }) => before.has(id)) &&
        gone.every((id) => !after.has(id))
      );
    }),
    { numRuns: 500 },
  );
  t.end();
});

void t.test('sets are not changed, and equal sets have no difference', (t) => {
  fc.assert(
    fc.property(twoSets, ([before, after]) => {
      const [one, other] = [contents(before), contents(after)];
      const delta = diff(before, after);
      applyDelta(before, delta);
      const copy = new Map([...after].map(([id, finding]) => [id, structuredClone(finding)]));
      return contents(before) === one && contents(after) === other && deltaSize(diff(after, copy)) === 0;
    }),
  );
  t.end();
});
