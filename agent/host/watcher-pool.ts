import { watch } from 'node:fs';
import { nameFromBytes, pathToNative } from './native-path.ts';
import type { FSWatcher } from 'node:fs';
import type { Logger } from '../../service/log.ts';
import type { PathMapper } from './path-mapper.ts';

/** One thing that a path depends on: a name in a directory, or (without a name) all that happens to the place. */
export interface Interest {
  readonly directory: string;
  readonly name: string | undefined;
  /** `device:inode` of the place; a watch stays with the inode, so another one needs a new watch. */
  readonly identity: string;
}

/** The inotify watches of one `watch` call, shared by its paths. */
export interface WatcherPool {
  /** Replaces what `path` depends on. */
  readonly want: (path: string, interests: readonly Interest[]) => void;
  readonly close: () => void;
}

interface Watched {
  readonly watcher: FSWatcher;
  readonly identity: string;
  /** Events since `windowMs`. */
  events: number;
  windowMs: number;
}

/**
 * Node reads events until there are none (libuv, uv__inotify_read): whoever makes them faster than they are read stops
 * everything else in this process. Some directories belong to users (/run/user/UID).
 */
const MAX_EVENTS_A_SECOND = 5000;
/** A directory with more events is not watched for so long. */
const PAUSE_MS = 10_000;

interface PoolOptions {
  readonly tree: PathMapper;
  /** How many more watches the host may open. */
  readonly budget: { left: number };
  readonly onEvent: (path: string) => void;
  readonly log: Logger | undefined;
}

/** Opens and closes watches as paths ask for them. A watch that cannot be opened is left out and reported once. */
export function createWatcherPool({ tree, budget, onEvent, log }: PoolOptions): WatcherPool {
  const wanted = new Map<string, readonly Interest[]>();
  /** The same by directory: in some (/tmp, /run) something happens all the time. */
  let concerned: Concerned | undefined;
  const watched = new Map<string, Watched>();
  const reported = new Set<string>();
  const paused = new Map<string, NodeJS.Timeout>();

  const tellOnce = (problem: string): void => {
    if (reported.has(problem)) return;
    reported.add(problem);
    log?.warn({ problem }, 'some changes of files will only be seen by the next sweep');
  };

  const onWatchEvent = (directory: string, name: string | undefined): void => {
    concerned ??= byDirectory(wanted);
    const names = concerned.get(directory);
    if (names === undefined) return;
    // An event without a name (the queue overflowed, the place itself went) may concern any.
    const meant = name === undefined ? [...names.values()] : [names.get(name), names.get(undefined)];
    const paths = new Set<string>();
    for (const each of meant) for (const path of each ?? []) paths.add(path);
    for (const path of paths) onEvent(path);
  };

  const drop = (directory: string): void => {
    const entry = watched.get(directory);
    if (entry === undefined) return;
    watched.delete(directory);
    budget.left += 1;
    entry.watcher.close();
  };

  /** Counts an event; true: there were too many, and the directory is not watched any more. */
  const isTooMany = (directory: string): boolean => {
    const entry = watched.get(directory);
    if (entry === undefined) return true;
    const nowMs = performance.now();
    if (nowMs - entry.windowMs >= 1000) [entry.windowMs, entry.events] = [nowMs, 0];
    entry.events += 1;
    if (entry.events <= MAX_EVENTS_A_SECOND) return false;
    tellOnce(`too many changes in ${directory}`);
    drop(directory);
    // Then each path through it is followed again, which watches the directory.
    const timer = setTimeout(() => {
      paused.delete(directory);
      onWatchEvent(directory, undefined);
    }, PAUSE_MS);
    paused.set(directory, timer.unref());
    return true;
  };

  const open = (directory: string, identity: string): void => {
    if (budget.left <= 0) {
      tellOnce('the limit of watches is reached');
      return;
    }
    try {
      const native = pathToNative(tree.toNative(directory));
      const watcher = watch(native, { encoding: 'buffer' }, (_event, name) => {
        if (!isTooMany(directory)) onWatchEvent(directory, name === null ? undefined : nameFromBytes(name));
      });
      watched.set(directory, { watcher, identity, events: 0, windowMs: performance.now() });
      budget.left -= 1;
      watcher.on('error', () => {
        drop(directory);
        onWatchEvent(directory, undefined);
      });
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      // Gone again or not ours to read: the watch on the directory above reports when that changes.
      if (code !== 'ENOENT' && code !== 'ENOTDIR' && code !== 'EACCES') tellOnce(String(code));
    }
  };

  return {
    want: (path, interests) => {
      wanted.set(path, interests);
      concerned = undefined;
      const needed = new Map([...wanted.values()].flat().map((interest) => [interest.directory, interest.identity]));
      // The newest look at a directory decides which inode is there.
      for (const interest of interests) needed.set(interest.directory, interest.identity);
      for (const [directory, { identity }] of watched) if (needed.get(directory) !== identity) drop(directory);
      for (const [directory, identity] of needed)
        if (!watched.has(directory) && !paused.has(directory)) open(directory, identity);
    },
    close: () => {
      wanted.clear();
      concerned = undefined;
      for (const timer of paused.values()) clearTimeout(timer);
      for (const directory of watched.keys()) drop(directory);
    },
  };
}

/** Paths by directory, and by the name in it; without a name those that all that happens there concerns. */
type Concerned = ReadonlyMap<string, ReadonlyMap<string | undefined, ReadonlySet<string>>>;

function byDirectory(wanted: ReadonlyMap<string, readonly Interest[]>): Concerned {
  const directories = new Map<string, Map<string | undefined, Set<string>>>();
  for (const [path, interests] of wanted)
    for (const { directory, name } of interests) {
      const names = directories.get(directory) ?? new Map<string | undefined, Set<string>>();
      directories.set(directory, names);
      names.set(name, (names.get(name) ?? new Set()).add(path));
    }
  return directories;
}
