import t from 'tap';
import { createCpuWindow } from '../../../agent/budget/cpu-window.ts';

void t.test('nothing is said before a minute is over; then the last minute counts', (t) => {
  const window = createCpuWindow();
  // 1 s of CPU in the first ten seconds (the start), then 300 ms in every ten: 3 % of a core.
  t.equal(window.add(0, 0), undefined);
  for (let at = 10; at <= 50; at += 10) t.equal(window.add(at * 1000, 1000 + (at - 10) * 30), undefined);
  t.equal(window.add(60_000, 2500), 42, '2.5 s in 60 s');
  t.equal(window.add(70_000, 2800), 30, 'the start is out of the window: 1.8 s in 60 s');
  t.equal(window.add(80_000, 3100), 30);
  t.end();
});

void t.test('readings that are late, or far apart', (t) => {
  const window = createCpuWindow();
  window.add(0, 0);
  t.equal(window.add(3_600_000, 3_600_000), 1000, 'an hour on one core');
  t.equal(window.add(3_600_001, 3_600_000), 1000, 'the window still begins an hour ago');
  t.equal(window.add(3_665_000, 3_664_999), 1000);
  t.equal(window.add(3_800_000, 3_664_999), 0, 'asleep since');
  t.end();
});
