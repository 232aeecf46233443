import type { Host } from '../host/host.ts';

/** What several inspectors read in one round: processes, the mounts and sockets of the node, its users and units. */
const SHARED_CONTENT =
  /^\/(?:proc(?:$|\/\d+\/(?:cgroup|cmdline|status|fd|net)(?:$|\/)|\/1\/|\/stat$)|etc\/|(?:usr\/|usr\/local\/)?lib\/systemd\/|run\/systemd\/)/;

/** The way to a file outside of /proc: the same directories lead to many files. */
const SHARED_WAY = /^\/(?!proc\/)/;

/** Answers that are kept for one round, so that all inspectors of the round judge one state of the node. */
export interface RoundMemory {
  /** The same host for the time of one round: a path that several inspectors read is read once. */
  readonly openRound: (host: Host) => Host;
  /** What `read` answers: once for each host that `openRound` returned, every time for any other. */
  readonly shared: <T>(host: Host, place: string, read: () => Promise<T>) => Promise<T>;
}

/** A memory without an open round. A round ends when its host is dropped. */
export function createRoundMemory(): RoundMemory {
  const rounds = new WeakMap<Host, Map<string, Promise<unknown>>>();
  return {
    openRound: (host) => {
      const round = rememberingHost(host);
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

function rememberingHost(host: Host): Host {
  const isContentShared = (path: string): boolean => SHARED_CONTENT.test(path);
  const isWayShared = (path: string): boolean => SHARED_WAY.test(path) || SHARED_CONTENT.test(path);
  const readFile = remembering(isContentShared, (path: string, maxBytes: number | undefined) =>
    host.readFile(path, maxBytes === undefined ? {} : { maxBytes }),
  );
  const list = remembering(isContentShared, (path: string, maxEntries: number | undefined) =>
    host.list(path, maxEntries === undefined ? {} : { maxEntries }),
  );
  const stat = remembering(isWayShared, (path: string) => host.stat(path));
  const readLink = remembering(isWayShared, (path: string) => host.readLink(path));
  return {
    ...host,
    readFile: (path, limits) => readFile(path, limits?.maxBytes),
    list: (path, limits) => list(path, limits?.maxEntries),
    stat: (path) => stat(path, undefined),
    readLink: (path) => readLink(path, undefined),
  };
}

/** Remembers answers for shared paths; a different bound is a different question. */
function remembering<T>(
  isShared: (path: string) => boolean,
  ask: (path: string, limit: number | undefined) => Promise<T>,
): (path: string, limit: number | undefined) => Promise<T> {
  const known = new Map<string, Promise<T>>();
  return (path, limit) => {
    if (!isShared(path)) return ask(path, limit);
    const key = `${String(limit)}:${path}`;
    const before = known.get(key);
    if (before !== undefined) return before;
    const answer = ask(path, limit);
    known.set(key, answer);
    return answer;
  };
}
