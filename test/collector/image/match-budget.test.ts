import t from 'tap';
import { createMatchBudget } from '../../../collector/image/match-budget.ts';
import type { Judgement } from '../../../collector/store/image-store.ts';
import { createFakeClock } from '../../service/fake-clock.ts';

void t.test('vulnerabilities of package versions that one node alone has are bounded', async (t) => {
  const clock = createFakeClock();
  let stored = 900_000;
  const counted: string[] = [];
  const images = {
    // Even keys are those of the liar, odd ones of everybody.
    soleNodes: (keys: readonly number[]) =>
      Promise.resolve(new Map(keys.filter((key) => key % 2 === 0).map((key) => [key, 'liar']))),
    vulnerabilityRows: (nodeId: string) => Promise.resolve((counted.push(nodeId), stored)),
  };
  const budget = createMatchBudget(images, clock, 1_000_000);
  const judgement = (key: number, matches: number): Judgement => ({
    key,
    evidence: 'e',
    matches: Array.from({ length: matches }, () => ({ vulnerability: { id: 'CVE' }, status: 'fixed' })) as never,
  });
  const said = async (...all: readonly Judgement[]) =>
    (await budget.bound(all)).map(({ matches, unjudged }) => (unjudged === undefined ? matches.length : 'unjudged'));
  t.same(await said(judgement(2, 150_000), judgement(3, 5000), judgement(4, 0)), [150_000, 5000, 0]);
  t.same(counted, [], 'what is stored is not counted for a node that adds little');
  t.same(await said(judgement(6, 99_000)), [99_000], 'counted: there is room');
  t.same(counted, ['liar']);
  t.same(await said(judgement(8, 2000), judgement(5, 2000)), ['unjudged', 2000], 'of others nothing is left out');
  t.match(budget.issues(), [{ code: 'nodeLimited', subject: 'liar', text: /1 package versions/ }]);
  t.same(await said(judgement(8, 2000)), ['unjudged']);
  t.equal(counted.length, 1, 'not counted each time');
  stored = 100_000;
  await clock.advance(11 * 60_000);
  t.same(await said(judgement(8, 2000)), [2000], 'its images are gone');
  t.same(budget.issues(), []);
});
