import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { readBoundedText } from '../image/policy/bounded-text.ts';
import { loadPolicies } from '../image/policy/load-policies.ts';
import { readSnapshot } from '../image/policy/snapshot-file.ts';
import type { ImagePolicy } from '../policy/image-policy.ts';
import type { PodPolicy } from '../policy/pod/pod-policy.ts';
import type { PolicySnapshot } from '../policy/snapshot.ts';
import { sleep } from '../service/clock.ts';
import type { Clock } from '../service/clock.ts';
import { parsePublicKeys } from '../service/detached-signature.ts';
import { errorCode, PRIVATE_FILE, writeFileAtomic } from '../service/files.ts';
import type { Logger } from '../service/log.ts';

/** Where policies come from. Paths are absolute. */
export interface PolicyLocations {
  /** A policy file, or a directory with `.yaml`, `.yml` and `.json` files; `none`: no local policies. */
  readonly policies: string;
  /** Directory with the snapshot of the collector, which holds all policies; `off`: they are local. */
  readonly snapshot: string;
  /** Public keys in PEM that may sign the snapshot. */
  readonly snapshotKey: string;
  /** File with the version of the newest snapshot that was used. */
  readonly versionFile: string;
}

/** Policies that are kept up to date. */
export interface PolicySource {
  /** What requests are judged by now; undefined: there is no snapshot yet. */
  readonly current: () => PolicySnapshot | undefined;
  /** Resolves when there is something to judge by. */
  readonly ready: Promise<void>;
  /** Version of the newest snapshot that was used, also before a restart; 0: none. */
  readonly minVersion: () => number;
  /** Reads again what has changed. What is wrong is logged, and the earlier policies stay in use. */
  readonly refresh: () => Promise<void>;
}

/** What a source works with. */
export interface PolicySourceOptions {
  readonly locations: PolicyLocations;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** Default: {@link REFRESH_MS}. */
  readonly refreshMs?: number;
}

const REFRESH_MS = 2_000;
const MAX_FILES = 256;
const MAX_KEY_BYTES = 64 * 1024;
const POLICY_FILE = /^[^.].*\.(?:ya?ml|json)$/;

interface LocalPolicies {
  readonly policies: readonly ImagePolicy[];
  readonly podPolicies: readonly PodPolicy[];
}

type Read<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly reason: string };

/**
 * Opens the policies and rereads them when their files change, until `signal` aborts. Rejects where the local policies
 * are wrong at the start; a snapshot may arrive later. A snapshot is never replaced by an older one, also not after a
 * restart.
 */
export async function openPolicySource(options: PolicySourceOptions): Promise<PolicySource> {
  const { locations, clock, log, signal, refreshMs = REFRESH_MS } = options;
  const { promise: ready, resolve: setReady } = Promise.withResolvers<void>();
  let minVersion = await readVersion(locations.versionFile);
  let local = await initialPolicies(locations);
  let snapshot: PolicySnapshot | undefined;
  let [localMark, snapshotMark] = [await markOfPolicies(locations.policies), ''];
  let reported = '';
  const report = (what: string, reason: string): void => {
    if (reported === `${what}${reason}`) return;
    reported = `${what}${reason}`;
    log.warn({ reason }, `${what} cannot be used; the earlier ones stay in use`);
  };
  const refreshLocal = async (): Promise<void> => {
    const mark = await markOfPolicies(locations.policies);
    if (mark === localMark) return;
    const read = await readPolicies(locations);
    if (!read.ok) return report('the policies', read.reason);
    [local, localMark] = [read.value, mark];
    log.info({ policies: local.policies.length, podPolicies: local.podPolicies.length }, 'policies loaded');
  };
  const refreshSnapshot = async (): Promise<void> => {
    if (locations.snapshot === 'off') return;
    const mark = await markOf([
      join(locations.snapshot, 'snapshot.json'),
      join(locations.snapshot, 'snapshot.sig'),
      locations.snapshotKey,
    ]);
    if (mark === snapshotMark) return;
    const keys = await readKeys(locations.snapshotKey);
    if (!keys.ok) return report('the key of the snapshot', keys.reason);
    const opened = await readSnapshot(locations.snapshot, { keys: keys.value, minVersion }, { clock, signal });
    if (!opened.ok) {
      // Read again only when it changes: to verify and parse a large one every two seconds would cost a processor.
      snapshotMark = mark;
      return report('the snapshot', opened.reason);
    }
    const { version, issuedAt, byDigest } = opened.snapshot;
    if (version > minVersion) {
      // Before it is used: a crash must not make an older one acceptable again.
      await writeFileAtomic(locations.versionFile, `${String(version)}\n`, PRIVATE_FILE);
      minVersion = version;
    }
    [snapshot, snapshotMark] = [opened.snapshot, mark];
    log.info({ version, issuedAt, digests: byDigest.size }, 'snapshot loaded');
  };
  const current = (): PolicySnapshot | undefined => {
    return locations.snapshot === 'off' ? localSnapshot(local) : snapshot;
  };
  const refresh = async (): Promise<void> => {
    for (const part of [refreshLocal, refreshSnapshot])
      await part().catch((error: unknown) => report('a policy file', errorCode(error)));
    if (current() !== undefined) setReady();
  };
  await refresh();
  void (async () => {
    while (!signal.aborted) {
      await sleep(clock, refreshMs, signal);
      if (!signal.aborted) await refresh();
    }
  })();
  return { current, ready, refresh, minVersion: () => minVersion };
}

async function initialPolicies(locations: PolicyLocations): Promise<LocalPolicies> {
  const read = await readPolicies(locations);
  if (read.ok) return read.value;
  throw Object.assign(new Error(`the policies cannot be used: ${read.reason}`), {
    code: 'policies',
    hint: 'verify them with plimsoll policy check',
  });
}

async function readPolicies({ policies: path }: PolicyLocations): Promise<Read<LocalPolicies>> {
  if (path === 'none') return { ok: true, value: { policies: [], podPolicies: [] } };
  const files = await filesOf(path);
  if (!files.ok) return files;
  const loaded = await loadPolicies(files.value);
  if (!loaded.ok)
    return { ok: false, reason: loaded.problems.map(({ source, problem }) => `${source}: ${problem}`).join('; ') };
  return { ok: true, value: { policies: loaded.policies, podPolicies: loaded.podPolicies } };
}

async function filesOf(path: string): Promise<Read<readonly string[]>> {
  try {
    if (!(await stat(path)).isDirectory()) return { ok: true, value: [path] };
    // A mounted ConfigMap has hidden directories beside links to its files.
    const names = (await readdir(path)).filter((name) => POLICY_FILE.test(name)).toSorted();
    if (names.length > MAX_FILES)
      return { ok: false, reason: `${path} has more than ${String(MAX_FILES)} policy files` };
    return { ok: true, value: names.map((name) => join(path, name)) };
  } catch (error) {
    return { ok: false, reason: `${path}: ${errorCode(error)}` };
  }
}

async function markOfPolicies(path: string): Promise<string> {
  if (path === 'none') return '';
  const files = await filesOf(path);
  return files.ok ? markOf(files.value) : files.reason;
}

/** Changes when one of the files is replaced or written. */
async function markOf(files: readonly string[]): Promise<string> {
  const marks = await Promise.all(
    files.map(async (file) => {
      try {
        const { ino, size, mtimeMs } = await stat(file);
        return `${file} ${String(ino)} ${String(size)} ${String(mtimeMs)}`;
      } catch (error) {
        return `${file} ${errorCode(error)}`;
      }
    }),
  );
  return marks.join('\n');
}

async function readKeys(
  path: string,
): Promise<Read<Extract<ReturnType<typeof parsePublicKeys>, { ok: true }>['keys']>> {
  const read = await readBoundedText(path, MAX_KEY_BYTES);
  if (!read.ok) return { ok: false, reason: `${path} ${read.reason}` };
  const parsed = parsePublicKeys(read.text);
  return parsed.ok ? { ok: true, value: parsed.keys } : { ok: false, reason: `${path}: ${parsed.reason}` };
}

async function readVersion(path: string): Promise<number> {
  const text = await readFile(path, 'latin1').catch((error: unknown) => {
    if (errorCode(error) === 'ENOENT') return '0';
    throw error;
  });
  if (/^\d{1,16}\s*$/.test(text)) return Number(text);
  throw Object.assign(new Error(`${path} is damaged: it holds no version of a snapshot`), {
    code: 'policies',
    hint: 'remove it if no older snapshot can be put in place of the current one',
  });
}

/** Policies without a collector: rules about references and registries are judged, no image has a verdict. */
function localSnapshot(local: LocalPolicies): PolicySnapshot {
  return { version: 1, collector: '', issuedAt: 0, byDigest: new Map(), byTag: new Map(), ...local };
}
