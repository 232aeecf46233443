import { EXIT_OK } from './command.ts';
import { printError } from './print-error.ts';
import type { Context } from './context.ts';
import type { RunRequest } from './programs.ts';
import { formatAddress } from '../service/config/kind.ts';
import type { Address } from '../service/config/kind.ts';
import { errorCode } from '../service/files.ts';
import type { HealthListener } from '../service/health-listener.ts';

/**
 * Runs a long-running part in the foreground until a signal ends it, or until the program that started it is gone: a
 * child of `plimsoll up` must not outlive it. Answers probes if the setting `health` names an address: `pending` says
 * what is missing until the program is ready. Returns the exit code.
 */
export async function runService<R>(
  context: Context,
  program: (request: RunRequest<R>) => Promise<void>,
  pending = 'it is starting',
): Promise<number> {
  const { settings, parent } = context;
  const orphaned = new AbortController();
  parent?.onGone(() => orphaned.abort('the parent is gone'));
  const signal = AbortSignal.any([context.listenForShutdown(), orphaned.signal]);
  let unreadiness: string | undefined = pending;
  const onReady = (ready: R): void => {
    unreadiness = undefined;
    parent?.send({ ready });
  };
  let health: HealthListener | undefined;
  try {
    if (settings.health !== 'off') health = await openHealth(settings.health, () => unreadiness);
    await program({ settings, signal, onReady });
    return EXIT_OK;
  } catch (error) {
    return printError(context, problemOf(error), hintOf(error));
  } finally {
    health?.close();
  }
}

async function openHealth(address: Address, unreadiness: () => string | undefined): Promise<HealthListener> {
  const { openHealthListener } = await import('../service/health-listener.ts');
  try {
    return await openHealthListener(address, unreadiness);
  } catch (error) {
    const code = errorCode(error);
    const hint = 'end what listens there, or choose another address: --health HOST:PORT';
    throw Object.assign(new Error(`cannot listen on ${formatAddress(address)}: ${code}`), { code, hint });
  }
}

/** Why a start failed. An error without a code is a defect; its stack belongs to the report. */
function problemOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return 'code' in error ? error.message : (error.stack ?? error.message);
}

function hintOf(error: unknown): string | undefined {
  const { hint } = (error ?? {}) as { hint?: unknown };
  return typeof hint === 'string' ? hint : undefined;
}
