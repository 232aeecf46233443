import t from 'tap';
import { createEventBus } from '../../collector/store/event-bus.ts';
import { keepReplayWindow, REPLAY_CURSOR } from '../../collector/replay-window.ts';
import type { OutboxEvent } from '../../collector/store/stored-event.ts';
import { createFakeClock } from '../service/fake-clock.ts';

const MINUTE = 60_000;
const SILENT = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };

void t.test('the cursor is at the newest event of ten minutes ago', async (t) => {
  const [clock, eventBus, stop] = [createFakeClock(), createEventBus(), new AbortController()];
  const advanced: number[] = [];
  const advance = (name: string, position: number): Promise<void> => {
    t.equal(name, REPLAY_CURSOR);
    advanced.push(position);
    return Promise.resolve();
  };
  const publish = (position: number): void => eventBus.publish({ type: 'finding', event: { position } as OutboxEvent });
  const over = keepReplayWindow({ store: { advance }, eventBus, clock, log: SILENT, signal: stop.signal });
  publish(5);
  await clock.advance(3 * MINUTE);
  publish(9);
  await clock.advance(7 * MINUTE);
  t.strictSame(advanced, [], 'nothing is ten minutes old yet: it was first looked at after a minute');
  await clock.advance(MINUTE);
  t.strictSame(advanced, [5]);
  await clock.advance(20 * MINUTE);
  t.equal(advanced.at(-1), 9);
  clock.jump(-3_600_000);
  publish(12);
  await clock.advance(12 * MINUTE);
  t.equal(advanced.at(-1), 12, 'a clock that is set back changes nothing');
  stop.abort();
  await over;
});

void t.test('nothing is said to have passed before anything came', async (t) => {
  const [clock, stop] = [createFakeClock(), new AbortController()];
  const advance = (): Promise<void> => Promise.reject(new Error('called'));
  const over = keepReplayWindow({
    store: { advance },
    eventBus: createEventBus(),
    clock,
    log: SILENT,
    signal: stop.signal,
  });
  await clock.advance(60 * MINUTE);
  stop.abort();
  await t.resolves(over);
});
