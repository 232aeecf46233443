import type { Host, HostStat, Read, ReadFailure } from '../host/host.ts';

/** Paths that were absent in earlier rounds. */
export interface AbsentPaths {
  /**
   * What `read` returns about `path`, or the failure of an earlier round where a directory shows that nothing was added
   * since. `key` identifies the read; `round` answers each `stat` once a round.
   */
  readonly readUnlessAbsent: <T>(
    hosts: { readonly host: Host; readonly round: Pick<Host, 'stat'> },
    request: { readonly key: string; readonly path: string },
    read: () => Promise<Read<T>>,
  ) => Promise<Read<T>>;
}

/** A path below a directory that has no entry for it. */
interface Absence {
  readonly failure: ReadFailure;
  readonly directory: string;
  /** The directory as it was, {@link stampOf}. */
  readonly stamp: string;
  readonly learnedAtMs: number;
  readonly maxAgeMs: number;
}

/** Of some hundred paths on a node; what comes beyond is read in each round. */
const MAX_PATHS = 4096;
/** FAT has the coarsest times, 2 s: within that an entry may be added without another time of the directory. */
const MIN_REST_MS = 10_000;
/** For a file system whose directories do not change their times; each path is read again at another moment. */
const MAX_AGE_MS = 60 * 60_000;

/**
 * Most paths that inspectors ask for belong to software that the node does not have, and dozens of them are below one
 * directory. An entry that is added to a directory changes its ctime, which no program can set (inode(7)). So a path stays
 * absent while the deepest directory on the way to it is the same and has the same ctime: one `stat` answers for all of
 * them. This is learned when a path is absent for the second time, so a single look never pays for it.
 */
export function createAbsentPaths(now: () => number = Date.now): AbsentPaths {
  const absentOnce = new Set<string>();
  const absences = new Map<string, Absence>();
  const recall = async (round: Pick<Host, 'stat'>, key: string): Promise<ReadFailure | undefined> => {
    const known = absences.get(key);
    if (known === undefined) return undefined;
    const ageMs = now() - known.learnedAtMs;
    const isSame = ageMs >= 0 && ageMs < known.maxAgeMs && stampOf(await round.stat(known.directory)) === known.stamp;
    if (isSame) return known.failure;
    absences.delete(key);
    return undefined;
  };
  return {
    readUnlessAbsent: async ({ host, round }, { key, path }, read) => {
      const known = await recall(round, key);
      if (known !== undefined) return known;
      const result = await read();
      if (result.ok || result.code !== 'absent' || !isPlain(path)) return result;
      if (!absentOnce.delete(key)) {
        if (absentOnce.size < MAX_PATHS) absentOnce.add(key);
        return result;
      }
      const place = await findMissingEntry({ host, round }, path, now);
      const isKept = place !== undefined && place.reason === result.reason && absences.size < MAX_PATHS;
      if (isKept) {
        const maxAgeMs = MAX_AGE_MS * (0.5 + (absences.size % 64) / 128);
        absences.set(key, { ...place, failure: result, learnedAtMs: now(), maxAgeMs });
      }
      return result;
    },
  };
}

/** A path without empty components, `.` and `..`: its parents are those of its text. */
function isPlain(path: string): boolean {
  return !/\/(?:\.{0,2}\/|\.{0,2}$)/.test(path);
}

/** The deepest directory on the way to an absent path, where it rests and the next name is no entry of it. */
async function findMissingEntry(
  { host, round }: { readonly host: Host; readonly round: Pick<Host, 'stat'> },
  path: string,
  now: () => number,
): Promise<{ readonly directory: string; readonly stamp: string; readonly reason: string } | undefined> {
  for (let entry = path; entry !== '/';) {
    const directory = entry.slice(0, entry.lastIndexOf('/')) || '/';
    const stat = await round.stat(directory);
    const stamp = stampOf(stat);
    if (stat.ok && stamp !== undefined) {
      // After the directory was looked at, so that an entry that is added in between is seen. A link to nothing is an entry.
      const missing = await host.readLink(entry);
      const isResting = stat.value.changedAtMs < now() - MIN_REST_MS;
      return !missing.ok && missing.code === 'absent' && isResting
        ? { directory, stamp, reason: missing.reason }
        : undefined;
    }
    if (stat.ok || stat.code !== 'absent') return undefined;
    entry = directory;
  }
  return undefined;
}

/** Differs once another directory is there or an entry was added; undefined where that cannot be told. */
function stampOf(stat: Read<HostStat>): string | undefined {
  if (!stat.ok || stat.value.kind !== 'directory' || stat.value.changedAtMs <= 0) return undefined;
  const { realPath, fileId, changedAtMs } = stat.value;
  return `${String(changedAtMs)} ${fileId} ${realPath}`;
}
