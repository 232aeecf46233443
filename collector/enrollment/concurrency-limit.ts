/** Bounds how much is done at a time, in total and for one address. */
export interface ConcurrencyLimit {
  /** Undefined: the limit is reached. The result must be called when the work is done. */
  readonly acquire: (address: string) => (() => void) | undefined;
}

/** Nothing is in progress yet. */
export function createConcurrencyLimit(max: number, maxOfAddress: number): ConcurrencyLimit {
  const inProgress = new Map<string, number>();
  let total = 0;
  return {
    acquire: (address) => {
      const own = inProgress.get(address) ?? 0;
      if (total >= max || own >= maxOfAddress) return undefined;
      total += 1;
      inProgress.set(address, own + 1);
      return () => {
        total -= 1;
        const left = (inProgress.get(address) ?? 1) - 1;
        if (left === 0) inProgress.delete(address);
        else inProgress.set(address, left);
      };
    },
  };
}
