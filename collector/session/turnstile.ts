/** Lets one in at a time, in the order in which they came. */
export interface Turnstile {
  /** Resolves when it is the caller's turn, with what ends it. */
  readonly enter: () => Promise<() => void>;
}

/** A turnstile that nobody is in. */
export function createTurnstile(): Turnstile {
  let last: Promise<void> = Promise.resolve();
  return {
    enter: async () => {
      const before = last;
      const { promise, resolve } = Promise.withResolvers<void>();
      last = promise;
      await before;
      return resolve;
    },
  };
}
