/** What each of several has used of something that they share, such as time of the only thread. Forgotten with time. */
export interface RecentUse {
  /** In milliseconds; `nowMs` is monotonic. */
  readonly of: (name: string, nowMs: number) => number;
  readonly add: (name: string, usedMs: number, nowMs: number) => void;
}

/** Those that are remembered; beyond it the one that used something longest ago is forgotten. */
const MAX_NAMES = 4_096;

/** Nothing was used yet. After `halfLifeMs` a use counts half. */
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
