/** Lets a bounded number in at a time, and a bounded number wait for their turn. */
export interface Slots {
  /**
   * Resolves with what gives the slot back when it is the caller's turn; with `full` at once if too many wait; with
   * `aborted` if the signal aborts before. Never rejects.
   */
  readonly enter: (signal: AbortSignal) => Promise<(() => void) | 'full' | 'aborted'>;
}

/** At most `most` at once, and `mostWaiting` in the queue. First come, first served. */
export function createSlots(most: number, mostWaiting: number): Slots {
  const queue = new Set<() => void>();
  let inside = 0;
  const leave = (): (() => void) => {
    let left = false;
    return () => {
      if (left) return;
      left = true;
      inside -= 1;
      const [next] = queue;
      next?.();
    };
  };
  const admit = (): (() => void) => {
    inside += 1;
    return leave();
  };
  return {
    enter: (signal) => {
      if (signal.aborted) return Promise.resolve('aborted');
      if (inside < most) return Promise.resolve(admit());
      if (queue.size >= mostWaiting) return Promise.resolve('full');
      return new Promise((resolve) => {
        const settle = (outcome: () => (() => void) | 'aborted'): void => {
          queue.delete(admitted);
          signal.removeEventListener('abort', aborted);
          resolve(outcome());
        };
        const admitted = (): void => settle(admit);
        const aborted = (): void => settle(() => 'aborted');
        queue.add(admitted);
        signal.addEventListener('abort', aborted, { once: true });
      });
    },
  };
}
