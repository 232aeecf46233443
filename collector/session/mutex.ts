/** Mutual exclusion, first come, first served. */
export interface Mutex {
  /** Resolves to the function that releases the lock. */
  readonly acquire: () => Promise<() => void>;
}

/** An unlocked mutex. */
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
