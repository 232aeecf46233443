/** Lets one loop sleep until there is something to do. */
export interface Notifier {
  /** Ends the present `wait`, or the next one at once. */
  readonly notify: () => void;
  /** Resolves after the next `call`. */
  readonly wait: () => Promise<void>;
}

/** A wake-up call that is not lost if it comes before the sleep. */
export function createNotifier(): Notifier {
  let next = Promise.withResolvers<void>();
  return {
    notify: () => next.resolve(),
    wait: async () => {
      await next.promise;
      next = Promise.withResolvers<void>();
    },
  };
}
