import { join } from 'node:path';
import t from 'tap';
import { keepRetention } from '../../../collector/store/retention.ts';
import { openSqliteStore } from '../../../collector/store/sqlite.ts';
import { createFakeClock } from '../../service/fake-clock.ts';
import { collectLines } from '../session/collector.ts';
import type { Line } from '../session/collector.ts';
import { commit, commitEvents, finding, T0 } from './fleet.ts';

const HOUR_MS = 3_600_000;

await t.test('history is kept for its time, the outbox for its sinks', async (t) => {
  const store = await openSqliteStore({ path: join(t.testdir(), 'store.sqlite') });
  const clock = createFakeClock(T0);
  const stop = new AbortController();
  const lines: Line[] = [];
  await commitEvents(store, commit({ sequence: 1, snapshot: true, put: [finding(), finding({ on: 'c2' })] }));
  const over = keepRetention({
    store,
    sinks: ['ndjson'],
    historyMs: 24 * HOUR_MS,
    onTrimmed: () => undefined,
    intervalMs: HOUR_MS,
    clock,
    log: collectLines(lines),
    signal: stop.signal,
  });
  const kept = async (): Promise<number> => (await store.history({ limit: 10 })).entries.length;
  await clock.advance(30 * HOUR_MS);
  t.equal(await kept(), 2, 'old, but not shipped yet');
  await store.advance('ndjson', 1);
  await clock.advance(2 * HOUR_MS);
  t.equal(await kept(), 1);
  await store.advance('ndjson', 2);
  await clock.advance(2 * HOUR_MS);
  t.equal(await kept(), 0);
  await store.close();
  await clock.advance(2 * HOUR_MS);
  t.ok(
    lines.some(({ level, message }) => level === 'warn' && /pruning/.test(message)),
    'a failure is logged',
  );
  stop.abort();
  await over;
});
