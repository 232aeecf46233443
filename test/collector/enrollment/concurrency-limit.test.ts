import t from 'tap';
import { createConcurrencyLimit } from '../../../collector/enrollment/concurrency-limit.ts';

t.test('networks that keep all places busy delay another one by their requests, and do not keep it out', async (t) => {
  const limit = createConcurrencyLimit(4, 2);
  const releases: (() => void)[] = [];
  for (const network of ['a', 'a', 'b', 'b']) releases.push((await limit.acquire(network)) ?? (() => t.fail(network)));
  t.equal(await limit.acquire('a'), undefined, 'beyond the limit of one network');
  const order: string[] = [];
  const take = async (network: string): Promise<void> => {
    const release = await limit.acquire(network);
    order.push(network);
    setImmediate(() => release?.());
  };
  const honest = take('honest');
  const others = Array.from({ length: 6 }, (_, index) => take(`hostile ${String(index)}`));
  for (const release of releases) release();
  await honest;
  t.equal(order[0], 'honest');
  await Promise.all(others);
  t.equal(order.length, 7);
  const again = await Promise.all(['a', 'a', 'b', 'b'].map(limit.acquire));
  t.notOk(again.includes(undefined), 'every place is free again');
});
