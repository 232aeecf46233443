import { createDebouncer } from './debounce.ts';
import { cleanPath } from './path-mapper.ts';
import { walk } from './walk.ts';
import { createWatcherPool } from './watcher-pool.ts';
import type { Logger } from '../../service/log.ts';
import type { Host, Read } from './host.ts';
import type { IoDeadline } from './io-deadline.ts';
import type { PathMapper } from './path-mapper.ts';
import type { Walk } from './walk.ts';
import type { Interest, WatcherPool } from './watcher-pool.ts';

/** What watching needs from its host. */
export interface WatchingOptions {
  readonly tree: PathMapper;
  readonly withDeadline: IoDeadline;
  readonly burstMs: number;
  readonly maxWatches: number;
  readonly signal: AbortSignal | undefined;
  readonly log: Logger | undefined;
}

// A path can change while we follow it. So often it is followed again until what is watched is what is there; after
// that the events of the change itself bring us back.
const MAX_ATTEMPTS = 5;

// The kernel stamps changes with a clock that may be a tick behind ours (10 ms at 100 Hz).
const CLOCK_SLACK_MS = 20;

/**
 * Watching with inotify. Not the file is watched but every directory in which a name decided where the path leads: so
 * a file that comes later, a directory that is replaced, a link that is turned and an editor's rename are all seen.
 */
export function createWatching(options: WatchingOptions): Host['watch'] {
  const budget = { left: options.maxWatches };
  return (paths, onChange) => {
    const stop = new AbortController();
    const signal = options.signal === undefined ? stop.signal : AbortSignal.any([stop.signal, options.signal]);
    const pool = createWatcherPool({
      tree: options.tree,
      budget,
      log: options.log,
      onEvent: (path) => debouncer.add(path),
    });
    const arm = (path: string): Promise<number> => follow(options, pool, path, signal);
    // Reported only after the way to the path was followed again: whatever happens later is then seen.
    const debouncer = createDebouncer(options.burstMs, async (path) => {
      await arm(path);
      if (!signal.aborted) onChange(path);
    });
    signal.addEventListener('abort', () => {
      debouncer.close();
      pool.close();
    });
    const startedAtMs = Date.now();
    const start = async (path: string): Promise<void> => {
      // What changed after we were called but before the watch stood has sent no event.
      const changedAtMs = await arm(path);
      if (!signal.aborted && changedAtMs >= startedAtMs - CLOCK_SLACK_MS) debouncer.add(path);
    };
    if (!signal.aborted) for (const path of new Set(paths)) void start(path);
    return () => stop.abort();
  };
}

/** Watches all that decides where the path leads. Answers when the newest change of any of it was; 0: not known. */
async function follow(
  { tree, withDeadline }: WatchingOptions,
  pool: WatcherPool,
  path: string,
  signal: AbortSignal,
): Promise<number> {
  const clean = cleanPath(path);
  if (!clean.ok) return 0;
  let before = '';
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
    const walked = await withDeadline(`watch ${path}`, async (): Promise<Read<Walk>> => {
      return { ok: true, value: await walk(tree, clean.value) };
    });
    if (signal.aborted || !walked.ok) return 0;
    const { steps } = walked.value;
    const now = JSON.stringify(steps.map(({ directory, name, identity }) => [directory, name, identity]));
    if (now === before) return Math.max(0, ...steps.map(({ changedAtMs }) => changedAtMs));
    before = now;
    pool.want(path, interestsOf(tree, walked.value));
  }
  return Date.now();
}

function interestsOf(tree: PathMapper, { outcome, steps }: Walk): Interest[] {
  const identities = new Map(
    steps.map(({ directory, name, identity }) => [directory === '/' ? `/${name}` : `${directory}/${name}`, identity]),
  );
  const interests: { directory: string; name: string | undefined }[] = steps.map(({ directory, name }) => ({
    directory,
    name,
  }));
  // What the path leads to is watched itself too: a directory for its entries, a file for another name of it.
  if (outcome.ok) interests.push({ directory: outcome.value, name: undefined });
  return (
    interests
      // inotify says nothing about procfs and sysfs (inotify(7)).
      .filter(({ directory }) => !tree.isVirtual(directory))
      .map(({ directory, name }) => ({ directory, name, identity: identities.get(directory) ?? '' }))
  );
}
