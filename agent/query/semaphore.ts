/** Lets a bounded number in at a time, and a bounded number wait for their turn. */
export interface Semaphore {
  /**
   * Resolves with what gives the slot back when it is the caller's turn; with `full` at once if too many wait; with
   * `aborted` if the signal aborts before. Never rejects.
   */
  readonly acquire: (signal: AbortSignal) => Promise<(() => void) | 'full' | 'aborted'>;
}

/** How many may be inside, and how many in the queue. */
export interface SemaphoreLimits {
  readonly most: number;
  readonly mostWaiting: number;
}

/** Slots within `limits`, which may change. First come, first served. */
export function createSemaphore(limits: () => SemaphoreLimits): Semaphore {
  const queue = new Set<() => void>();
  let inside = 0;
  const leave = (): (() => void) => {
    let left = false;
    return () => {
      if (left) return;
      left = true;
      inside -= 1;
      const [next] = queue;
      // Where the limit drops to 0, those already in the queue still get their turn, one by one.
      if (inside < Math.max(1, limits().most)) next?.();
    };
  };
  const admit = (): (() => void) => {
    inside += 1;
    return leave();
  };
  return {
    acquire: (signal) => {
      if (signal.aborted) return Promise.resolve('aborted');
      const { most, mostWaiting } = limits();
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
