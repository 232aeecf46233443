import { execFile } from 'node:child_process';
import type { Clock } from '../service/clock.ts';
import { errorCode } from '../service/files.ts';
import type { Logger } from '../service/log.ts';

/** What the watchdog works with. */
export interface WatchdogOptions {
  /** The environment of the process. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Fits into any sensible interval of the unit. */
const DEADLINE_MS = 2_000;
const COMMAND = 'systemd-notify';

/**
 * Notifies systemd that the plugin still answers, twice in each interval of `WatchdogSec`, sd_watchdog_enabled(3). A
 * process that is stopped or hangs sends nothing: systemd kills it and starts the next, which dockerd would otherwise
 * wait for without limit. Does nothing where the unit has no watchdog. Node has no datagram sockets on unix, so the
 * command of systemd sends the message.
 */
export function startWatchdog({ environment, clock, log }: WatchdogOptions): { readonly close: () => void } {
  const { NOTIFY_SOCKET: socket, WATCHDOG_USEC: interval, WATCHDOG_PID: pid } = environment;
  const intervalMs = Number(interval ?? 0) / 1000;
  const isMeant = socket !== undefined && (pid === undefined || pid === String(process.pid));
  if (!isMeant || !(intervalMs >= 1)) return { close: () => undefined };
  let isClosed = false;
  let cancel = (): void => undefined;
  let reported = '';
  const schedule = (): void => {
    if (!isClosed) cancel = clock.after(intervalMs / 2, notify);
  };
  const notify = (): void => {
    const options = { env: environment, timeout: DEADLINE_MS, killSignal: 'SIGKILL' as const };
    execFile(COMMAND, ['WATCHDOG=1'], options, (error) => {
      const problem = error === null ? '' : errorCode(error);
      if (problem !== '' && problem !== reported)
        log.error({ command: COMMAND, problem }, 'the watchdog of systemd could not be notified');
      reported = problem;
    });
    schedule();
  };
  notify();
  return {
    close: () => {
      isClosed = true;
      cancel();
    },
  };
}
