import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { markOf } from '../image/policy/snapshot-reader.ts';
import { builtInPolicy } from '../policy/docker/container-policy.ts';
import type { ContainerPolicy } from '../policy/docker/container-policy.ts';
import type { Clock } from '../service/clock.ts';
import type { Logger } from '../service/log.ts';
import { loadContainerPolicies } from './policy-files.ts';

/** The policies that are in force. */
export interface PolicySource {
  /** The policies; or why there are none: until the files are corrected, only reads are allowed. */
  readonly current: () => PolicyState;
  readonly close: () => void;
}

/** See {@link PolicySource}. */
export type PolicyState =
  | { readonly ok: true; readonly policies: readonly ContainerPolicy[] }
  | { readonly ok: false; readonly problem: string };

/** What a source reads. */
export interface PolicySourceOptions {
  /** A file or directory; undefined: the built-in policy. */
  readonly path: string | undefined;
  readonly clock: Clock;
  readonly log: Logger;
}

const POLL_MS = 2000;

/**
 * Loads the policies, and again when their files change. Files that become wrong are reported, and the policies before
 * stay in force. Never rejects.
 */
export async function openPolicySource({ path, clock, log }: PolicySourceOptions): Promise<PolicySource> {
  if (path === undefined) {
    const state: PolicyState = { ok: true, policies: [builtInPolicy()] };
    return { current: () => state, close: () => undefined };
  }
  let state: PolicyState = { ok: false, problem: 'the policies are not loaded yet' };
  let fingerprint = '';
  let isClosed = false;
  let cancel = (): void => undefined;
  const load = async (): Promise<void> => {
    const next = await fingerprintOf(path);
    if (next === fingerprint) return;
    fingerprint = next;
    const loaded = await loadContainerPolicies(path);
    if (loaded.ok) {
      state = loaded;
      log.info({ path, policies: loaded.policies.map(({ name, mode }) => `${name} (${mode})`) }, 'policies loaded');
      return;
    }
    log.error({ problems: loaded.problems }, 'the policies are wrong; those before stay in force');
    if (!state.ok) state = { ok: false, problem: loaded.problems[0] ?? '' };
  };
  const poll = (): void => {
    cancel = clock.after(POLL_MS, () => void load().finally(() => (isClosed ? undefined : poll())));
  };
  await load();
  poll();
  return {
    current: () => state,
    close: () => {
      isClosed = true;
      cancel();
    },
  };
}

/** Changes when a file is changed, replaced, added or removed. */
async function fingerprintOf(path: string): Promise<string> {
  const names = await readdir(path).catch((): string[] => []);
  return markOf([path, ...names.slice(0, 1000).map((name) => join(path, name))]);
}
