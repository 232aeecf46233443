import type { Host, Read } from '../host/host.ts';
import { createAbsentPaths } from './absent-paths.ts';
import type { AbsentPaths } from './absent-paths.ts';

/** What several inspectors read in one round: processes, the mounts and sockets of the node, its users and units. */
const SHARED_CONTENT =
  /^\/(?:proc(?:$|\/\d+\/(?:cgroup|cmdline|status|fd|net)(?:$|\/)|\/1\/|\/stat$)|etc\/|(?:usr\/|usr\/local\/)?lib\/systemd\/|run\/systemd\/)/;

/** The way to a file outside of /proc: the same directories lead to many files. */
const SHARED_WAY = /^\/(?!proc\/)/;

/** File systems of the kernel, whose directories do not change their times. */
const KERNEL = /^\/(?:proc|sys)(?:\/|$)/;

/** Answers that are kept for one round, so that all inspectors of the round judge one state of the node. */
export interface RoundMemory {
  /** The same host for the time of one round: a path that several inspectors read is read once. */
  readonly openRound: (host: Host) => Host;
  /** What `read` answers: once for each host that `openRound` returned, every time for any other. */
  readonly shared: <T>(host: Host, place: string, read: () => Promise<T>) => Promise<T>;
}

/**
 * A memory without an open round. A round ends when its host is dropped; what stays is which paths are absent. `now`:
 * milliseconds since 1970, by the clock that stamps files.
 */
export function createRoundMemory(now: () => number = Date.now): RoundMemory {
  const rounds = new WeakMap<Host, Map<string, Promise<unknown>>>();
  const absentPaths = createAbsentPaths(now);
  return {
    openRound: (host) => {
      const round = rememberingHost(host, absentPaths);
      rounds.set(round, new Map());
      return round;
    },
    shared: <T>(host: Host, place: string, read: () => Promise<T>): Promise<T> => {
      const known = rounds.get(host);
      if (known === undefined) return read();
      // The place decides about the type.
      const value = (known.get(place) as Promise<T> | undefined) ?? read();
      known.set(place, value);
      return value;
    },
  };
}

function rememberingHost(host: Host, { readUnlessAbsent }: AbsentPaths): Host {
  const isContentShared = (path: string): boolean => SHARED_CONTENT.test(path);
  const isWayShared = (path: string): boolean => SHARED_WAY.test(path) || SHARED_CONTENT.test(path);
  const remember = <T>(
    op: string,
    isShared: (path: string) => boolean,
    ask: (path: string, limit: number | undefined) => Promise<Read<T>>,
  ): ((path: string, limit?: number) => Promise<Read<T>>) => {
    const known = new Map<string, Promise<Read<T>>>();
    // A different bound is a different question.
    return (path, limit) => {
      if (!isShared(path) && KERNEL.test(path)) return ask(path, limit);
      const key = `${op} ${String(limit)}:${path}`;
      const before = known.get(key);
      if (before !== undefined) return before;
      const answer = KERNEL.test(path)
        ? ask(path, limit)
        : readUnlessAbsent({ host, round }, { key, path }, () => ask(path, limit));
      if (isShared(path)) known.set(key, answer);
      return answer;
    };
  };
  const readFile = remember('readFile', isContentShared, (path, maxBytes) =>
    host.readFile(path, maxBytes === undefined ? {} : { maxBytes }),
  );
  const list = remember('list', isContentShared, (path, maxEntries) =>
    host.list(path, maxEntries === undefined ? {} : { maxEntries }),
  );
  const stat = remember('stat', isWayShared, host.stat);
  const readLink = remember('readLink', isWayShared, host.readLink);
  const round: Host = {
    ...host,
    readFile: (path, limits) => readFile(path, limits?.maxBytes),
    list: (path, limits) => list(path, limits?.maxEntries),
    stat: (path) => stat(path),
    readLink: (path) => readLink(path),
  };
  return round;
}
