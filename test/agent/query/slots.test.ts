import t from 'tap';
import { createSlots } from '../../../agent/query/slots.ts';

const never = new AbortController().signal;

await t.test('first come, first served, and no more than there are slots', async (t) => {
  const slots = createSlots(() => ({ most: 2, mostWaiting: 2 }));
  const order: string[] = [];
  const first = await slots.enter(never);
  const second = await slots.enter(never);
  const third = slots.enter(never).then((leave) => (order.push('third'), leave));
  const fourth = slots.enter(never).then((leave) => (order.push('fourth'), leave));
  t.equal(await slots.enter(never), 'full');
  t.same(order, []);
  leave(first);
  leave(first);
  leave(await third);
  leave(await fourth);
  t.same(order, ['third', 'fourth'], 'giving a slot back twice lets one in');
  leave(second);
});

await t.test('who gives up makes room in the queue', async (t) => {
  const slots = createSlots(() => ({ most: 1, mostWaiting: 1 }));
  const first = await slots.enter(never);
  const impatient = new AbortController();
  const waiting = slots.enter(impatient.signal);
  t.equal(await slots.enter(never), 'full');
  impatient.abort();
  t.equal(await waiting, 'aborted');
  t.equal(await slots.enter(impatient.signal), 'aborted');
  const next = slots.enter(never);
  leave(first);
  leave(await next);
});

function leave(outcome: (() => void) | 'full' | 'aborted'): void {
  if (typeof outcome === 'string') throw new Error(outcome);
  outcome();
}

await t.test('limits that change: those who wait are let in, others are not', async (t) => {
  let limits = { most: 2, mostWaiting: 2 };
  const slots = createSlots(() => limits);
  const first = await slots.enter(never);
  const second = await slots.enter(never);
  let inside = 2;
  const enter = async () => {
    const entered = await slots.enter(never);
    inside += 1;
    return entered;
  };
  const third = enter();
  const fourth = enter();
  limits = { most: 0, mostWaiting: 0 };
  t.equal(await slots.enter(never), 'full');
  leave(first);
  await Promise.resolve();
  t.equal(inside, 2, 'two were inside, one is: nobody follows');
  leave(second);
  leave(await third);
  leave(await fourth);
  t.equal(inside, 4, 'one by one');
  t.equal(await slots.enter(never), 'full');
  limits = { most: 1, mostWaiting: 0 };
  t.equal(typeof (await slots.enter(never)), 'function');
});
