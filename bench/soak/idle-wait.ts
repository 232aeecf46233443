import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';

/** Turns of the event loop without work in progress: data on a local connection needs a turn or two to arrive. */
const IDLE_TURNS = 3;
const POLL_MS = 1;
/** A read of a hanging file system and a request to a stopped engine end at a deadline of their own before this. */
const MAX_WAIT_MS = 30_000;

/**
 * A function that resolves when this process has no work in progress: no file operation, pending callback or
 * timer of real time beyond those that ran when `createIdleWait` was called. Gives up after 30 s.
 */
export function createIdleWait(): () => Promise<void> {
  const atStart = countActive('Timeout');
  const isBusy = (): boolean => countActive('FSReqCallback', 'FSReqPromise', 'CloseReq', 'Immediate') > 0;
  // A request to an engine and a pause between two reads keep a timer; a connection without a request keeps none.
  const isWaiting = (): boolean => countActive('Timeout') > atStart;
  return async () => {
    const untilMs = performance.now() + MAX_WAIT_MS;
    for (let turns = 0; turns < IDLE_TURNS && performance.now() < untilMs;) {
      await nextTurn();
      turns = isBusy() || isWaiting() ? 0 : turns + 1;
      if (turns === 0) await sleep(POLL_MS);
    }
  };
}

function countActive(...kinds: readonly string[]): number {
  return process.getActiveResourcesInfo().filter((kind) => kinds.includes(kind)).length;
}
