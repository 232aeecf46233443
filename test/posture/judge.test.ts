import fc from 'fast-check';
import t from 'tap';
import { CHECKS } from '../../posture/check/registry.ts';
import { apply, diff } from '../../posture/delta.ts';
import type { FindingSet } from '../../posture/delta.ts';
import type { ContainerFact } from '../../posture/fact/container.ts';
import type { FactName, Facts } from '../../posture/fact/facts.ts';
import { findingContent } from '../../posture/finding.ts';
import { judgeAll, judgeChange } from '../../posture/judge.ts';
import { absent, seen, unreadable } from '../../posture/observed.ts';
import { containerFact } from '../fixture/container.ts';
import { factsOf } from '../fixture/facts.ts';

/** A container in one of a few states; the same name always has the same id. */
const container = fc.record({ id: fc.constantFrom('a', 'b', 'c', 'd'), uid: fc.constantFrom(0, 1000), pid: fc.nat(3) });
const containers = fc
  .uniqueArray(container, { selector: ({ id }) => id, maxLength: 4 })
  .map((list) =>
    list.map(({ id, uid, pid }): ContainerFact =>
      containerFact({ id: id.repeat(64), name: id, pid, uid: seen(uid, 'x') }),
    ),
  );

/** What is said, in an order that does not depend on who said it when. */
function contentOf(findings: FindingSet): readonly string[] {
  return [...findings.values()].map(findingContent).toSorted((one, other) => (one < other ? -1 : 1));
}

/** All ids of which the container is another object, or there is none any more. */
function changedIds(before: readonly ContainerFact[], after: readonly ContainerFact[]): Set<string> {
  return new Set(
    [...before, ...after].filter((each) => !(before.includes(each) && after.includes(each))).map(({ id }) => id),
  );
}

void t.test('judging what changed gives what judging everything gives', (t) => {
  const base = factsOf({});
  fc.assert(
    fc.property(containers, containers, (one, other) => {
      const before: Facts = { ...base, containers: seen(one, 'x') };
      const after: Facts = { ...base, containers: seen(other, 'x') };
      const old = judgeAll(CHECKS, before);
      const delta = judgeChange(CHECKS, after, old, { facts: new Set(), containers: changedIds(one, other) });
      const whole = diff(old, judgeAll(CHECKS, after));
      const ids = ({ added, changed, gone }: typeof whole): string[][] => [
        added.map(({ id }) => id).sort(),
        changed.map(({ id }) => id).sort(),
        gone.toSorted(),
      ];
      t.same(ids(delta), ids(whole));
      t.same(contentOf(apply(old, delta)), contentOf(judgeAll(CHECKS, after)));
    }),
    { numRuns: 25 },
  );
  t.end();
});

void t.test('facts that change as a whole', (t) => {
  const base = factsOf({ containers: seen([containerFact({})], 'x') });
  const changes: Partial<Facts>[] = [
    { containers: unreadable('x', 'the engine does not answer') },
    { containers: absent('x') },
    { containers: seen([], 'x') },
    { images: absent('x') },
    { files: [] },
    { node: { ...base.node, name: 'another' } },
    { clock: { ...base.clock } },
  ];
  const old = judgeAll(CHECKS, base);
  for (const change of changes) {
    const after = { ...base, ...change };
    const facts = new Set(Object.keys(change) as FactName[]);
    const delta = judgeChange(CHECKS, after, old, { facts, containers: new Set() });
    t.same(contentOf(apply(old, delta)), contentOf(judgeAll(CHECKS, after)), [...facts].join());
  }
  const same = judgeChange(CHECKS, base, old, { facts: new Set(['docker']), containers: new Set() });
  t.same(same, { added: [], changed: [], gone: [] }, 'what says the same is no change');
  t.end();
});
