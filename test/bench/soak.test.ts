import t from 'tap';
import { simulateDay } from '../../bench/soak/day.ts';
import { slope } from '../../bench/soak/trend.ts';
import type { Logger } from '../../service/log.ts';

void t.test('a line through points', (t) => {
  t.equal(
    slope([
      [0, 5],
      [1, 7],
      [2, 9],
    ]),
    2,
  );
  // By hand: the mean is (1.5, 2.5), the products sum up to 4, the squares to 5.
  t.equal(
    slope([
      [0, 1],
      [1, 3],
      [2, 2],
      [3, 4],
    ]),
    0.8,
  );
  t.equal(slope([[3, 3]]), 0);
  t.end();
});

void t.test('an agent and a collector hold no more at the end than in the middle', async (t) => {
  const warnings: string[] = [];
  const warn = (fields: object, message: string): void => void warnings.push(`${message} ${JSON.stringify(fields)}`);
  const log: Logger = { debug: () => {}, info: () => {}, warn, error: warn };
  const { samples, started } = await simulateDay({ hours: 0.5, containers: 5, churn: 2, samplesPerHour: 8, log });
  t.equal(started, 5 + 60 * 2, 'two new ones every half minute');
  t.equal(samples.length, 4);
  const [, before, , after] = samples;
  if (before === undefined || after === undefined) throw new Error('no samples');
  t.equal(after.descriptors, before.descriptors, 'no descriptor is left behind');
  // 60 containers came and went in between; kept for ever, their facts and findings would be some 5 MiB.
  t.ok(after.heapBytes - before.heapBytes < 2 * 1024 * 1024, 'nor are facts and findings');
  // A delta of two containers has some 40 KB: all that ever waited would be 5 MB.
  t.ok(after.spoolBytes < 512 * 1024, 'nor deltas that were acknowledged');
  // Engines of other test files end meanwhile.
  t.same(
    warnings.filter((line) => !/^container runtime lost .*dockerd/.test(line)),
    [],
  );
});
