import t from 'tap';
import { createTagHistory } from '../../../collector/policy/tag-history.ts';
import type { TagAnswer } from '../../../collector/policy/tag-history.ts';

const HOUR = 3_600_000;
const same: TagAnswer = { state: 'same', digest: 'sha256:aa' };
const moved = (digest: string): TagAnswer => ({ state: 'moved', digest });

t.test('the last answer is reported, and an index that was pushed again is no change', async (t) => {
  const history = createTagHistory();
  t.equal(history.reported(), undefined);
  for (let hour = 0; hour < 20; hour += 1) history.add({ state: 'same', digest: String(hour) }, hour * HOUR);
  t.same(history.reported(), { state: 'same' });
  history.add(moved('sha256:bb'), 21 * HOUR);
  t.same(history.reported(), { state: 'moved', digest: 'sha256:bb' });
  history.add({ state: 'gone' }, 22 * HOUR);
  t.same(history.reported(), { state: 'gone' });
  history.add(same, 23 * HOUR);
  t.same(history.reported(), { state: 'same' });
});

t.test('attack: a registry that changes its answer all the time', async (t) => {
  const answers: Readonly<Record<string, (step: number) => TagAnswer>> = {
    'back and forth': (step) => (step % 2 === 0 ? same : moved('sha256:bb')),
    'another digest each time': (step) => moved(`sha256:${String(step)}`),
    'gone and back': (step) => (step % 2 === 0 ? { state: 'gone' } : same),
  };
  for (const [name, answer] of Object.entries(answers))
    for (const stepMs of [1000, HOUR, 5 * HOUR]) {
      const history = createTagHistory();
      let reports = 0;
      let before = '';
      const days = stepMs === 1000 ? 1 : 10;
      for (let ms = 0; ms < days * 24 * HOUR; ms += stepMs) {
        history.add(answer(ms / stepMs), ms);
        const now = JSON.stringify(history.reported());
        if (now !== before) reports += 1;
        before = now;
      }
      t.ok(
        reports <= 6 * days,
        `${name} every ${String(stepMs)} ms: ${String(reports)} reports in ${String(days)} days`,
      );
      if (stepMs < 5 * HOUR) t.same(history.reported(), { state: 'unstable' }, 'it never looks well');
    }
  const history = createTagHistory();
  for (let hour = 0; hour < 10; hour += 1) history.add(hour % 2 === 0 ? same : { state: 'gone' }, hour * HOUR);
  history.add(same, 11 * HOUR);
  t.same(history.reported(), { state: 'unstable' });
  history.add(same, 36 * HOUR);
  t.same(history.reported(), { state: 'same' }, 'a day without a change ends it');
});
