/** A value that changes, and those who want to know. */
export interface Cell<T> {
  readonly get: () => T;
  /** Notifies the subscribers, unless the value is the same. */
  readonly set: (next: T) => void;
  /** Returns a function that ends the subscription. */
  readonly subscribe: (subscriber: (value: T) => void) => () => void;
}

/** A cell that holds `initial` at first. */
export function createCell<T>(initial: T): Cell<T> {
  let value = initial;
  const subscribers = new Set<(value: T) => void>();
  return {
    get: () => value,
    set: (next) => {
      if (Object.is(value, next)) return;
      value = next;
      for (const subscriber of subscribers) subscriber(next);
    },
    subscribe: (subscriber) => {
      subscribers.add(subscriber);
      return () => subscribers.delete(subscriber);
    },
  };
}
