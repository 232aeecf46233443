import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import t from 'tap';
import { supervise } from '../../../cli/up/supervise.ts';
import { systemClock } from '../../../service/clock.ts';
import type { Clock } from '../../../service/clock.ts';

/** Time passes a hundred times faster for what waits; everything else is real, the processes too. */
function hastyClock(): Clock {
  const clock = systemClock();
  return { ...clock, after: (delayMs, run) => clock.after(delayMs / 100, run) };
}

/** Supervises children that run `script`; the n-th start is `script(n)`. */
function watch(script: (start: number) => string) {
  const stop = new AbortController();
  const [lines, events, children]: [string[], string[], ChildProcess[]] = [[], [], []];
  const supervised = supervise({
    name: 'part',
    start: (args, stdio) => {
      const child = spawn(process.execPath, ['-e', script(children.length), ...args], { stdio, detached: true });
      children.push(child);
      return child;
    },
    args: (lastReady) => [JSON.stringify(lastReady ?? null)],
    clock: hastyClock(),
    random: () => 0.5,
    signal: stop.signal,
    onLine: (line) => lines.push(line),
    onEvent: (text) => events.push(text),
  });
  return { ...supervised, stop, lines, events, children };
}

const READY = 'process.send({ ready: { port: 7 } });';
const STAY = 'setInterval(() => undefined, 1e9);';

void t.test('ready, then ended in good order', async (t) => {
  const part = watch(() => `process.on("SIGTERM", () => { console.error("bye"); process.exit(0); }); ${READY} ${STAY}`);
  t.strictSame(await part.ready, { port: 7 });
  part.stop.abort();
  t.strictSame(await part.over, { outcome: 'stopped' });
  t.strictSame(part.lines, ['bye']);
  t.strictSame(part.events, []);
});

void t.test('a child that crashes is started again, with the ports of its first start', async (t) => {
  const part = watch((start) =>
    start < 2 ? `${READY} setTimeout(() => process.exit(7), 50);` : `console.error(process.argv[1]); ${READY} ${STAY}`,
  );
  t.strictSame(await part.ready, { port: 7 });
  while (!part.lines.includes('{"port":7}')) await new Promise((resolve) => setTimeout(resolve, 10));
  t.equal(part.children.length, 3);
  t.match(part.events, [/^the part stopped \(exit status 7\); it is started again in \d+ s$/, /exit status 7/]);
  part.stop.abort();
  t.strictSame(await part.over, { outcome: 'stopped' });
});

void t.test('one that cannot start is given up, and its own words are the reason', async (t) => {
  const part = watch(
    () => 'console.error("{}"); console.error("plimsoll: port taken\\n  take another"); process.exitCode = 2;',
  );
  t.equal(await part.ready, undefined);
  t.strictSame(await part.over, { outcome: 'failed', said: ['plimsoll: port taken', '  take another'] });
  t.equal(part.children.length, 1);
});

void t.test('one that does not end is killed', async (t) => {
  const part = watch(() => `process.on("SIGTERM", () => undefined); ${READY} ${STAY}`);
  await part.ready;
  part.stop.abort();
  t.strictSame(await part.over, { outcome: 'stopped' });
  t.strictSame(part.events, ['the part does not end, it is killed']);
  t.equal(part.children[0]?.signalCode, 'SIGKILL');
});

void t.test('one that is stopped before it is ready', async (t) => {
  const part = watch(() => STAY);
  part.stop.abort();
  t.strictSame(await part.over, { outcome: 'stopped' });
  t.equal(await part.ready, undefined);
});
