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
  let before: Facts | undefined;
  let paths: ReadonlyMap<string, readonly FactName[]> = new Map();
  let stop = (): void => undefined;
  return {
    follow: (facts) => {
      if (before !== undefined && sameBasis(before, facts)) return;
      before = facts;
      paths = watchedPaths(facts);
      const names = [...paths.keys()].sort();
      const text = JSON.stringify(names);
      if (text === watched) return;
      watched = text;
      const stopBefore = stop;
      // The new watch is open before the old one is closed: no change falls between them.
      stop = host.watch(names, (path) => onStale(paths.get(path) ?? [], path));
      stopBefore();
    },
    stop: () => stop(),
  };
}

/** Containers come and go, and no path hangs on them, nor on what changes with every round. */
const NO_BASIS: ReadonlySet<FactName> = new Set(['agent', 'clock', 'containers', 'unobserved']);

function sameBasis(one: Facts, other: Facts): boolean {
  const names = Object.keys(one) as FactName[];
  return names.every((name) => NO_BASIS.has(name) || one[name] === other[name]);
}
