import type { FactName, Facts } from '../../posture/fact/facts.ts';
import type { Host } from '../host/host.ts';
import { watchedPaths } from '../inspector/registry.ts';

/** Watches the files that facts are read from. */
export interface PathWatch {
  /** The facts are now these: other files may be behind them. */
  readonly follow: (facts: Facts) => void;
  readonly stop: () => void;
}

/** A watch that watches nothing yet; `onStale` gets the facts that a changed path makes stale. */
export function createPathWatch(host: Host, onStale: (facts: readonly FactName[], path: string) => void): PathWatch {
  let watched = '';
  let paths: ReadonlyMap<string, readonly FactName[]> = new Map();
  let stop = (): void => undefined;
  return {
    follow: (facts) => {
      paths = watchedPaths(facts);
      const names = [...paths.keys()].sort();
      const text = JSON.stringify(names);
      if (text === watched) return;
      watched = text;
      const stopBefore = stop;
      // The new watch stands before the old one goes: no change falls between them.
      stop = host.watch(names, (path) => onStale(paths.get(path) ?? [], path));
      stopBefore();
    },
    stop: () => stop(),
  };
}
