import t from 'tap';
import { sleep, systemClock, within } from '../../service/clock.ts';
import { createFakeClock } from './fake-clock.ts';

void t.test('an advanced clock runs its timers, in order, at their time', async (t) => {
  const clock = createFakeClock(1000);
  const seen: string[] = [];
  clock.after(20, () => seen.push(`b ${String(clock.now())}`));
  clock.after(10, () => {
    seen.push(`a ${String(clock.now())}`);
    clock.after(5, () => seen.push(`c ${String(clock.now())}`));
  });
  const cancel = clock.after(12, () => seen.push('never'));
  cancel();
  await clock.advance(19);
  t.same(seen, ['a 1010', 'c 1015']);
  await clock.advance(1);
  t.same(seen, ['a 1010', 'c 1015', 'b 1020']);
  clock.jump(-3_600_000);
  t.equal(clock.now(), 1020 - 3_600_000);
  t.equal(clock.monotonic(), 20, 'a jump of the wall clock moves nothing else');
  t.equal(clock.waiting(), 0);
});

void t.test('sleep ends with its time or its signal', async (t) => {
  const clock = createFakeClock();
  const controller = new AbortController();
  const first = sleep(clock, 1000, controller.signal);
  await clock.advance(1000);
  await first;
  const second = sleep(clock, 1000, controller.signal);
  controller.abort();
  await second;
  await sleep(clock, 1000, controller.signal);
  t.equal(clock.waiting(), 0, 'nothing is left behind');
});

void t.test('within answers late, and passes results and failures on', async (t) => {
  const clock = createFakeClock();
  t.equal(await within(clock, 100, Promise.resolve('in time'), () => 'late'), 'in time');
  await t.rejects(
    within(clock, 100, Promise.reject(new Error('broken')), () => 'late'),
    { message: 'broken' },
  );
  const late = within(clock, 100, new Promise<string>(() => undefined), () => 'late');
  await clock.advance(100);
  t.equal(await late, 'late');
});

void t.test('the system clock does not fire at once after more than 2^31 ms', async (t) => {
  const clock = systemClock();
  let fired = false;
  const cancel = clock.after(2 ** 31 + 1000, () => {
    fired = true;
  });
  await new Promise((resolve) => {
    setTimeout(resolve, 20);
  });
  cancel();
  t.equal(fired, false);
});
