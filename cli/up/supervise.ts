import { fullJitter } from '../../service/backoff.ts';
import { sleep, within } from '../../service/clock.ts';
import type { Clock } from '../../service/clock.ts';
import { EXIT_FAILURE } from '../command.ts';
import { describeEnd, startChild } from './child.ts';
import type { Child, ChildEnd } from './child.ts';
import type { Programs } from '../programs.ts';

/** A part that is kept running. */
export interface Supervised {
  /** What the part said when it was ready; undefined if it could not start. */
  readonly ready: Promise<unknown>;
  /** Resolves once the part is given up or was stopped. */
  readonly over: Promise<SupervisedEnd>;
}

/** stopped: as asked; failed: it cannot run here, and `said` is the reason. */
export type SupervisedEnd =
  { readonly outcome: 'stopped' } | { readonly outcome: 'failed'; readonly said: readonly string[] };

/** What is kept running, and how. */
export interface SuperviseOptions {
  /** `collector`, `agent`: for people. */
  readonly name: string;
  readonly start: Programs['start'];
  /** The command line; asked for anew at each start, with what the part said when it was ready the last time. */
  readonly args: (lastReady: unknown) => readonly string[];
  readonly clock: Clock;
  readonly random: () => number;
  /** Aborts: the part is asked to end, and killed if it does not. */
  readonly signal: AbortSignal;
  readonly onLine: (line: string) => void;
  /** Message to the user: that the part stopped, and when it is started again. */
  readonly onEvent: (text: string) => void;
}

const RESTART = Object.freeze({ baseMs: 1_000, capMs: 30_000 });
/** Runs at least this long before an end counts as the first again. */
const SETTLED_MS = 60_000;
/** How long a part has to end in good order. */
const STOP_DEADLINE_MS = 15_000;

/**
 * Starts a part and starts it again whenever it stops unexpectedly. One that never was ready and ends with the exit code
 * of a usage or I/O error is given up: trying again would not help.
 */
export function supervise(options: SuperviseOptions): Supervised {
  const first = Promise.withResolvers<unknown>();
  const over = keepRunning(options, first.resolve).finally(() => first.resolve(undefined));
  return { ready: first.promise, over };
}

async function keepRunning(options: SuperviseOptions, onReady: (ready: unknown) => void): Promise<SupervisedEnd> {
  const { name, clock, signal, random, onEvent } = options;
  let lastReady: unknown;
  let attempt = 0;
  while (!signal.aborted) {
    const startedMs = clock.monotonic();
    const child = startChild(options.start, options.args(lastReady), options.onLine);
    const noteReady = async (): Promise<void> => {
      const ready = await child.ready;
      if (ready === undefined) return;
      lastReady = ready;
      onReady(ready);
    };
    const [end] = await Promise.all([runOne(child, options), noteReady()]);
    if (signal.aborted) break;
    if (lastReady === undefined && end.code === EXIT_FAILURE) return { outcome: 'failed', said: end.said };
    attempt = clock.monotonic() - startedMs > SETTLED_MS ? 0 : attempt + 1;
    const delayMs = RESTART.baseMs + fullJitter(attempt, RESTART, random);
    onEvent(`the ${name} stopped (${describeEnd(end)}); it is started again in ${(delayMs / 1000).toFixed(0)} s`);
    await sleep(clock, delayMs, signal);
  }
  return { outcome: 'stopped' };
}

/** Waits for the end of `child`; asks it to end when the signal aborts, and makes it if it does not. */
async function runOne(child: Child, { name, clock, signal, onEvent }: SuperviseOptions): Promise<ChildEnd> {
  const asked = Promise.withResolvers<undefined>();
  const onAbort = (): void => asked.resolve(undefined);
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) onAbort();
  const byItself = await Promise.race([child.ended, asked.promise]);
  signal.removeEventListener('abort', onAbort);
  if (byItself !== undefined) return byItself;
  child.kill('SIGTERM');
  const end = await within<ChildEnd | undefined>(clock, STOP_DEADLINE_MS, child.ended, () => undefined);
  if (end !== undefined) return end;
  onEvent(`the ${name} does not end, it is killed`);
  child.kill('SIGKILL');
  return child.ended;
}
