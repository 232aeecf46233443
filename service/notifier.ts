/** Lets one loop sleep until there is something to do. */
export interface Notifier {
  /** Ends the present `wait`, or the next one at once. */
  readonly notify: () => void;
  /** Resolves after the next `notify`. */
  readonly wait: () => Promise<void>;
}

/** A notifier; a `notify` before `wait` is not lost. */
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
