/** Recent use of a shared resource, such as the time of the only thread, by client. Decays with time. */
export interface RecentUse {
  /** In milliseconds; `nowMs` is monotonic. */
  readonly of: (name: string, nowMs: number) => number;
  readonly add: (name: string, usedMs: number, nowMs: number) => void;
}

/** Clients in memory; beyond that the one whose last use is oldest is dropped. */
const MAX_NAMES = 4_096;

/** After `halfLifeMs` a use counts half. */
export function createRecentUse(halfLifeMs: number): RecentUse {
  const uses = new Map<string, { readonly ms: number; readonly atMs: number }>();
  const of = (name: string, nowMs: number): number => {
    const use = uses.get(name);
    return use === undefined ? 0 : use.ms * 0.5 ** ((nowMs - use.atMs) / halfLifeMs);
  };
  return {
    of,
    add: (name, usedMs, nowMs) => {
      const ms = of(name, nowMs) + usedMs;
      uses.delete(name);
      uses.set(name, { ms, atMs: nowMs });
      const [oldest] = uses.keys();
      if (uses.size > MAX_NAMES && oldest !== undefined) uses.delete(oldest);
    },
  };
}
