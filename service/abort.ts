/** `work`, or undefined as soon as `signal` aborts; what `work` comes to after that, also its failure, is ignored. */
export function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    const stop = (): void => resolve(undefined);
    if (signal.aborted) stop();
    signal.addEventListener('abort', stop, { once: true });
    // The listener goes with the work: the signal lives as long as the program.
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop));
  });
}
