/** Lets one in at a time, in the order in which they came. */
export interface Mutex {
  /** Resolves when it is the caller's turn, with what ends it. */
  readonly acquire: () => Promise<() => void>;
}

/** A turnstile that nobody is in. */
export function createMutex(): Mutex {
  let last: Promise<void> = Promise.resolve();
  return {
    acquire: async () => {
      const before = last;
      const { promise, resolve } = Promise.withResolvers<void>();
      last = promise;
      await before;
      return resolve;
    },
  };
}
