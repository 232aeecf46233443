import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { followRuntime } from '../../../agent/watch/runtime-follower.ts';
import { systemClock } from '../../../service/clock.ts';
import { createMemoryRuntime } from '../runtime/memory-runtime.ts';
import type { MemoryState } from '../runtime/memory-runtime.ts';
import { until } from './watched.ts';

const SILENT = Object.freeze({ debug: () => {}, info: () => {}, warn: () => {}, error: () => {} });
const STATE: MemoryState = { version: { version: '1', apiVersion: '1' }, engine: {}, containers: {}, images: {} };

void t.test('a runtime that does not answer is reported when that is new, not with every attempt', async (t) => {
  const stopping = new AbortController();
  t.teardown(() => stopping.abort());
  let state: MemoryState | undefined;
  let attempts = 0;
  let [unreachable, returned] = [0, 0];
  const follower = followRuntime({
    runtime: createMemoryRuntime('unix:///run/none.sock', () => {
      attempts += 1;
      return state;
    }),
    clock: systemClock(),
    // Full jitter: the first attempts follow on each other within milliseconds.
    random: () => 0.002,
    signal: stopping.signal,
    log: SILENT,
    onEvent: () => undefined,
    onReturn: () => (returned += 1),
    onUnreachable: () => (unreachable += 1),
  });
  await until('some attempts', () => attempts > 20);
  t.equal(unreachable, 0, 'something else listens there, and never was a runtime');
  state = STATE;
  await until('an answer', () => follower.isLive());
  t.equal(returned, 1);
  state = undefined;
  const before = attempts;
  follower.poke();
  await sleep(50);
  t.equal(attempts, before, 'while it is followed nothing is asked');
  t.equal(unreachable, 0);
});

void t.test('a runtime that stops is reported at once and with some attempts after it', async (t) => {
  const stopping = new AbortController();
  t.teardown(() => stopping.abort());
  let attempts = 0;
  const reasons: string[] = [];
  const runtime = createMemoryRuntime('unix:///run/some.sock', () => {
    attempts += 1;
    return STATE;
  });
  const counted = {
    ...runtime,
    version: () => {
      attempts += 1;
      return runtime.version();
    },
  };
  const follower = followRuntime({
    runtime: counted,
    clock: systemClock(),
    random: () => 0.002,
    signal: stopping.signal,
    log: SILENT,
    onEvent: () => undefined,
    onReturn: () => undefined,
    onUnreachable: (reason) => reasons.push(reason),
  });
  await until('an answer', () => follower.isLive());
  const before = attempts;
  runtime.stop();
  t.equal(reasons.length, 1, 'at once');
  await until('more attempts than are reported', () => attempts > before + 8);
  t.equal(reasons.length, 5);
});
