import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { loadPolicies } from '../image/policy/load-policies.ts';
import { markOf, openSnapshotReader } from '../image/policy/snapshot-reader.ts';
import type { PolicySets, PolicySnapshot } from '../policy/snapshot.ts';
import { sleep } from '../service/clock.ts';
import type { Clock } from '../service/clock.ts';
import { errorCode } from '../service/files.ts';
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
const POLICY_FILE = /^[^.].*\.(?:ya?ml|json)$/;

type Read<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly reason: string };

/**
 * Opens the policies and rereads them when their files change, until `signal` aborts. Rejects where the local policies
 * are wrong at the start; a snapshot may arrive later. A snapshot is never replaced by an older one, also not after a
 * restart.
 */
export async function openPolicySource(options: PolicySourceOptions): Promise<PolicySource> {
  const { locations, clock, log, signal, refreshMs = REFRESH_MS } = options;
  const { promise: ready, resolve: setReady } = Promise.withResolvers<void>();
  const { snapshot: directory, snapshotKey: keyFile, versionFile } = locations;
  const reader = await openSnapshotReader({ directory, keyFile, versionFile }, { clock, log, signal });
  let localMark = await markOfPolicies(locations.policies);
  let local = await initialPolicies(locations);
  let reported = '';
  const report = (reason: string): void => {
    if (reported === reason) return;
    reported = reason;
    log.warn({ reason }, 'the policies cannot be used; the earlier ones stay in use');
  };
  const refreshLocal = async (): Promise<void> => {
    const mark = await markOfPolicies(locations.policies);
    if (mark === localMark) return;
    const read = await readPolicies(locations);
    if (!read.ok) return report(read.reason);
    [local, localMark] = [read.value, mark];
    log.info({ policies: local.policies.length, podPolicies: local.podPolicies.length }, 'policies loaded');
  };
  const current = (): PolicySnapshot | undefined => {
    return directory === 'off' ? localSnapshot(local) : reader.current();
  };
  const refresh = async (): Promise<void> => {
    await refreshLocal().catch((error: unknown) => report(errorCode(error)));
    if (directory !== 'off') await reader.refresh();
    if (current() !== undefined) setReady();
  };
  await refresh();
  void (async () => {
    while (!signal.aborted) {
      await sleep(clock, refreshMs, signal);
      if (!signal.aborted) await refresh();
    }
  })();
  return { current, ready, refresh, minVersion: reader.minVersion };
}

async function initialPolicies(locations: PolicyLocations): Promise<PolicySets> {
  const read = await readPolicies(locations);
  if (read.ok) return read.value;
  throw Object.assign(new Error(`the policies cannot be used: ${read.reason}`), {
    code: 'policies',
    hint: 'verify them with plimsoll policy check',
  });
}

async function readPolicies({ policies: path }: PolicyLocations): Promise<Read<PolicySets>> {
  if (path === 'none') return { ok: true, value: { policies: [], podPolicies: [], containerPolicies: [] } };
  const files = await filesOf(path);
  if (!files.ok) return files;
  const loaded = await loadPolicies(files.value);
  if (!loaded.ok)
    return { ok: false, reason: loaded.problems.map(({ source, problem }) => `${source}: ${problem}`).join('; ') };
  const { policies, podPolicies, containerPolicies } = loaded;
  return { ok: true, value: { policies, podPolicies, containerPolicies } };
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

/** Policies without a collector: rules about references and registries are judged, no image has a verdict. */
function localSnapshot(local: PolicySets): PolicySnapshot {
  return { version: 1, collector: '', issuedAt: 0, byDigest: new Map(), byTag: new Map(), ...local };
}
