import t from 'tap';
import { createSemaphore } from '../../../agent/query/semaphore.ts';

const never = new AbortController().signal;

await t.test('first come, first served, and no more than there are permits', async (t) => {
  const semaphore = createSemaphore(() => ({ most: 2, mostWaiting: 2 }));
  const order: string[] = [];
  const first = await semaphore.acquire(never);
  const second = await semaphore.acquire(never);
  const third = semaphore.acquire(never).then((leave) => (order.push('third'), leave));
  const fourth = semaphore.acquire(never).then((leave) => (order.push('fourth'), leave));
  t.equal(await semaphore.acquire(never), 'full');
  t.same(order, []);
  leave(first);
  leave(first);
  leave(await third);
  leave(await fourth);
  t.same(order, ['third', 'fourth'], 'giving a slot back twice lets one in');
  leave(second);
});

await t.test('who gives up makes room in the queue', async (t) => {
  const semaphore = createSemaphore(() => ({ most: 1, mostWaiting: 1 }));
  const first = await semaphore.acquire(never);
  const impatient = new AbortController();
  const waiting = semaphore.acquire(impatient.signal);
  t.equal(await semaphore.acquire(never), 'full');
  impatient.abort();
  t.equal(await waiting, 'aborted');
  t.equal(await semaphore.acquire(impatient.signal), 'aborted');
  const next = semaphore.acquire(never);
  leave(first);
  leave(await next);
});

function leave(outcome: (() => void) | 'full' | 'aborted'): void {
  if (typeof outcome === 'string') throw new Error(outcome);
  outcome();
}

await t.test('limits that change: those who wait are let in, others are not', async (t) => {
  let limits = { most: 2, mostWaiting: 2 };
  const semaphore = createSemaphore(() => limits);
  const first = await semaphore.acquire(never);
  const second = await semaphore.acquire(never);
  let inside = 2;
  const enter = async () => {
    const entered = await semaphore.acquire(never);
    inside += 1;
    return entered;
  };
  const third = enter();
  const fourth = enter();
  limits = { most: 0, mostWaiting: 0 };
  t.equal(await semaphore.acquire(never), 'full');
  leave(first);
  await Promise.resolve();
  t.equal(inside, 2, 'two were inside, one is: nobody follows');
  leave(second);
  leave(await third);
  leave(await fourth);
  t.equal(inside, 4, 'one by one');
  t.equal(await semaphore.acquire(never), 'full');
  limits = { most: 1, mostWaiting: 0 };
  t.equal(typeof (await semaphore.acquire(never)), 'function');
});
