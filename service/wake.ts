/** Lets one loop sleep until there is something to do. */
export interface Wake {
  /** Ends the present `wait`, or the next one at once. */
  readonly call: () => void;
  /** Resolves after the next `call`. */
  readonly wait: () => Promise<void>;
}

/** A wake-up call that is not lost if it comes before the sleep. */
export function createWake(): Wake {
  let next = Promise.withResolvers<void>();
  return {
    call: () => next.resolve(),
    wait: async () => {
      await next.promise;
      next = Promise.withResolvers<void>();
    },
  };
}
