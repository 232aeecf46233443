import * as fc from 'fast-check';
import t from 'tap';
import { fullJitter, jittered } from '../../service/backoff.ts';
import { parseBytes } from '../../service/bytes.ts';
import { parseDuration } from '../../service/duration.ts';
import { nearestName } from '../../service/nearest.ts';

void t.test('durations', (t) => {
  const table = [
    ['250ms', 250],
    ['30s', 30_000],
    ['15m', 900_000],
    ['1h', 3_600_000],
    ['90d', 7_776_000_000],
    ['0s', 0],
  ] as const;
  for (const [text, expected] of table) t.equal(parseDuration(text), expected, text);
  for (const text of ['', '15', '15 m', '-1s', '1.5h', '1w', '1h30m', 'm', '999999999999d'])
    t.equal(parseDuration(text), undefined, JSON.stringify(text));
  t.end();
});

void t.test('sizes', (t) => {
  const table = [
    ['64MiB', 67_108_864],
    ['1GiB', 1_073_741_824],
    ['512KiB', 524_288],
    ['4096', 4096],
    ['17B', 17],
  ] as const;
  for (const [text, expected] of table) t.equal(parseBytes(text), expected, text);
  for (const text of ['', '64MB', '64 MiB', '-1', '1.5GiB', '64mib']) t.equal(parseBytes(text), undefined, text);
  t.end();
});

void t.test('full jitter stays within its bounds, at any attempt', (t) => {
  const bounds = { baseMs: 250, capMs: 30_000 };
  t.equal(
    fullJitter(0, bounds, () => 0.999_999),
    249,
  );
  t.equal(
    fullJitter(3, bounds, () => 0.5),
    1000,
  );
  t.equal(
    fullJitter(20, bounds, () => 0),
    0,
  );
  fc.assert(
    fc.property(fc.nat(), fc.double({ min: 0, max: 0.999_999, noNaN: true }), (attempt, random) => {
      const delay = fullJitter(attempt, bounds, () => random);
      return delay >= 0 && delay < 30_000;
    }),
  );
  t.equal(
    jittered(1000, 0.2, () => 0),
    800,
  );
  t.equal(
    jittered(1000, 0.2, () => 0.5),
    1000,
  );
  t.end();
});

void t.test('the nearest name is found, and nothing is guessed', (t) => {
  const known = ['listen', 'api', 'data-dir', 'log-level'];
  t.equal(nearestName('listn', known), 'listen');
  t.equal(nearestName('data_dir', known), 'data-dir');
  t.equal(nearestName('loglevel', known), 'log-level');
  t.equal(nearestName('frobnicate', known), undefined);
  t.end();
});
