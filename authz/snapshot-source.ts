import { join } from 'node:path';
import { openSnapshotReader, readPublicKeys } from '../image/policy/snapshot-reader.ts';
import { decideFromSnapshot } from '../policy/decide-from-snapshot.ts';
import type { Decision } from '../policy/decide.ts';
import { unknown } from '../policy/rule/judging.ts';
import type { Clock } from '../service/clock.ts';
import { makePrivateDirectory } from '../service/files.ts';
import type { Logger } from '../service/log.ts';
import type { PolicyState } from './policy-source.ts';

/** Decides on images by the newest snapshot that was read. */
export interface SnapshotSource {
  /** Never `allow` while there is no snapshot. */
  readonly judgeImage: (reference: string) => Decision;
  /** The container policies of the snapshot. */
  readonly policies: () => PolicyState;
  readonly close: () => void;
}

/** Where the snapshot is, and who signs it. */
export interface SnapshotSourceOptions {
  /** Directory with `snapshot.json` and `snapshot.sig`. */
  readonly directory: string;
  /** File with the public keys of the collector, in PEM. */
  readonly keyFile: string;
  /** Directory in which the version of the newest snapshot is kept: an older one is never used, also after a restart. */
  readonly stateDirectory: string;
  readonly clock: Clock;
  readonly log: Logger;
}

const POLL_MS = 2000;

/**
 * Reads the snapshot, and again whenever its files change. One that is wrong, or older than one before, is reported and
 * not used; the one before stays in force. Rejects where the key or the state directory cannot be used.
 */
export async function openSnapshotSource(options: SnapshotSourceOptions): Promise<SnapshotSource> {
  const { directory, keyFile, stateDirectory, clock, log } = options;
  const keys = await readPublicKeys(keyFile);
  if (!keys.ok) {
    const hint = 'name the public key of the collector: --policy-snapshot-key FILE';
    throw Object.assign(new Error(`policy-snapshot-key: ${keyFile} ${keys.reason}`), { code: 'KEY', hint });
  }
  await makePrivateDirectory(stateDirectory);
  const stop = new AbortController();
  const versionFile = join(stateDirectory, 'snapshot-version');
  const reader = await openSnapshotReader({ directory, keyFile, versionFile }, { clock, log, signal: stop.signal });
  let cancel = (): void => undefined;
  const poll = (): void => {
    cancel = clock.after(POLL_MS, () => {
      void reader.refresh().finally(() => (stop.signal.aborted ? undefined : poll()));
    });
  };
  await reader.refresh();
  poll();
  return {
    judgeImage: (reference) => {
      const snapshot = reader.current();
      return snapshot === undefined
        ? withoutSnapshot(reader.problem())
        : decideFromSnapshot({ reference, digest: undefined, namespace: undefined }, snapshot, clock.now());
    },
    policies: () => {
      const snapshot = reader.current();
      if (snapshot === undefined) return { ok: false, problem: `there is no policy snapshot: ${reader.problem()}` };
      const { containerPolicies: policies } = snapshot;
      return policies.length === 0 ? NO_CONTAINER_POLICY : { ok: true, policies };
    },
    close: () => {
      stop.abort();
      cancel();
    },
  };
}

const NO_CONTAINER_POLICY: PolicyState = { ok: false, problem: 'the policy snapshot holds no ContainerPolicy' };

function withoutSnapshot(problem: string): Decision {
  const objection = unknown({
    code: 'not-scanned',
    actual: `there is no usable policy snapshot: ${problem}`,
    expected: 'a policy snapshot that the collector signed',
    action: 'See the log of plimsoll authz.',
  });
  const reason = { ...objection, policy: '', rule: '' };
  return { outcome: 'couldNotTell', policies: [], reasons: [reason], warnings: [], observed: [], suppressed: [] };
}
