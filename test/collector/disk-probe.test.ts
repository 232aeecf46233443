import { execFileSync } from 'node:child_process';
import { closeSync, constants, openSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { startDiskProbe } from '../../collector/disk-probe.ts';
import type { Clock } from '../../service/clock.ts';
import { createFakeClock } from '../service/fake-clock.ts';
import { collectLines } from './session/collector.ts';

/** Threads of the pool of Node.js (UV_THREADPOOL_SIZE). */
const POOL = 4;

void t.test('a disk that does not answer is hung, a process without CPU time is not', async (t) => {
  const directory = t.testdir();
  const fifo = join(directory, 'fifo');
  execFileSync('mkfifo', [fifo]);
  for (const { name, slowdown, seconds, isHung } of [
    { name: 'not yet', slowdown: 1, seconds: 9, isHung: false },
    { name: 'no answer', slowdown: 1, seconds: 11, isHung: true },
    { name: 'timers that are late by far more than the deadline', slowdown: 30, seconds: 9, isHung: false },
  ]) {
    // Opening a FIFO without a writer blocks a thread: the probe gets none, as where its disk does not answer.
    const blocked = Array.from({ length: POOL }, () => open(fifo, 'r'));
    const fake = createFakeClock();
    const clock: Clock = { ...fake, monotonic: () => fake.monotonic() * slowdown };
    const stop = new AbortController();
    const limits = { intervalMs: 30_000, deadlineMs: 10_000 };
    const options = { path: join(directory, 'probe'), ...limits, clock, log: collectLines([]), signal: stop.signal };
    const probe = startDiskProbe(options);
    await fake.advance(seconds * 1000);
    t.equal(probe.isHung(), isHung, name);
    t.equal(probe.problem() !== undefined, isHung, name);
    const writer = openSync(fifo, constants.O_WRONLY | constants.O_NONBLOCK);
    for (const reader of await Promise.all(blocked)) await reader.close();
    closeSync(writer);
    for (let tries = 0; tries < 1000 && probe.isHung(); tries += 1)
      await new Promise((resolve) => setTimeout(resolve, 2));
    t.notOk(probe.isHung(), `${name}: the disk answers`);
    stop.abort();
    await probe.over;
  }
});
