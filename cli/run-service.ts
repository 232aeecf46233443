import { EXIT_OK } from './command.ts';
import { printError } from './print-error.ts';
import type { Context } from './context.ts';
import type { RunRequest } from './programs.ts';

/**
 * Runs a long-running part in the foreground until a signal ends it, or until the program that started it is gone: a
 * child of `plimsoll up` must not outlive it. Answers the exit code.
 */
export async function runService<R>(
  context: Context,
  program: (request: RunRequest<R>) => Promise<void>,
): Promise<number> {
  const { settings, parent } = context;
  const orphaned = new AbortController();
  parent?.onGone(() => orphaned.abort('the parent is gone'));
  const signal = AbortSignal.any([context.listenForShutdown(), orphaned.signal]);
  try {
    await program({ settings, signal, onReady: (ready) => parent?.send({ ready }) });
    return EXIT_OK;
  } catch (error) {
    return printError(context, problemOf(error), hintOf(error));
  }
}

/** What a start failed of. A defect keeps its stack: it is wanted in the report about it. */
function problemOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return 'code' in error ? error.message : (error.stack ?? error.message);
}

function hintOf(error: unknown): string | undefined {
  const { hint } = (error ?? {}) as { hint?: unknown };
  return typeof hint === 'string' ? hint : undefined;
}
