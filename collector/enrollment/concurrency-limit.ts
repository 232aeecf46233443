/**
 * Bounds concurrent work, in total and for each network. Work beyond the total waits for its turn. Since every network
 * has a bound of its own, each of the others delays it by that bound at most.
 */
export interface ConcurrencyLimit {
  /** Undefined: the limit of the network is reached. The result must be called when the work is done. */
  readonly acquire: (network: string) => Promise<(() => void) | undefined>;
}

/** Nothing is in progress yet. */
export function createConcurrencyLimit(max: number, maxOfNetwork: number): ConcurrencyLimit {
  /** In progress or waiting. */
  const ownOf = new Map<string, number>();
  const waiting: (() => void)[] = [];
  let running = 0;
  return {
    acquire: async (network) => {
      const own = ownOf.get(network) ?? 0;
      if (own >= maxOfNetwork) return undefined;
      ownOf.set(network, own + 1);
      if (running < max) running += 1;
      else await new Promise<void>((resolve) => waiting.push(resolve));
      return () => {
        const left = (ownOf.get(network) ?? 1) - 1;
        if (left === 0) ownOf.delete(network);
        else ownOf.set(network, left);
        const next = waiting.shift();
        if (next === undefined) running -= 1;
        else next();
      };
    },
  };
}
