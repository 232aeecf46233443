import { within } from './clock.ts';
import type { Clock } from './clock.ts';
import type { Logger } from './log.ts';

/** The part of a process that shutting down needs. */
export interface SignalledProcess {
  readonly on: (signal: ShutdownSignal, listener: (signal: ShutdownSignal) => void) => unknown;
  readonly off: (signal: ShutdownSignal, listener: (signal: ShutdownSignal) => void) => unknown;
  readonly exit: (code: number) => void;
}

/** A signal that asks a program to end. */
export type ShutdownSignal = 'SIGINT' | 'SIGTERM';

const SIGNALS: readonly ShutdownSignal[] = ['SIGINT', 'SIGTERM'];
/** 128 + the number of the signal, as a shell reports it. */
const EXIT_CODES = Object.freeze({ SIGINT: 130, SIGTERM: 143 } satisfies Record<ShutdownSignal, number>);

/**
 * Aborts `signal` at the first SIGINT or SIGTERM; its reason is the name of the signal. The same one a second time
 * exits at once (130 or 143). `stop` gives the signals back.
 */
export function listenForShutdown(process: SignalledProcess): {
  readonly signal: AbortSignal;
  readonly stop: () => void;
} {
  const controller = new AbortController();
  const received = new Set<ShutdownSignal>();
  // Only the same signal again is impatience: Ctrl-C reaches a whole process group, and a parent that got it as well
  // sends SIGTERM to a child that is already ending in good order.
  const onSignal = (signal: ShutdownSignal): void => {
    if (received.has(signal)) return process.exit(EXIT_CODES[signal]);
    received.add(signal);
    controller.abort(signal);
  };
  for (const signal of SIGNALS) process.on(signal, onSignal);
  return {
    signal: controller.signal,
    stop: () => {
      for (const signal of SIGNALS) process.off(signal, onSignal);
    },
  };
}

/** One thing to close. */
export interface ClosingStep {
  readonly name: string;
  readonly close: () => Promise<void> | void;
}

/**
 * Closes one after the other, in the given order. A step that fails or takes longer than `deadlineMs` is logged and
 * left behind. Answers the names of those; never rejects.
 */
export async function closeInOrder(
  steps: readonly ClosingStep[],
  { deadlineMs, clock, log }: { readonly deadlineMs: number; readonly clock: Clock; readonly log: Logger },
): Promise<readonly string[]> {
  const failed: string[] = [];
  for (const { name, close } of steps) {
    const outcome = await within(clock, deadlineMs, settled(close), () => `not closed within ${String(deadlineMs)} ms`);
    if (outcome === undefined) continue;
    failed.push(name);
    log.warn({ step: name, reason: outcome }, 'could not be closed in good order');
  }
  return failed;
}

async function settled(close: ClosingStep['close']): Promise<string | undefined> {
  try {
    await close();
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
