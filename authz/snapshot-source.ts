import type { KeyObject } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { readBoundedText } from '../image/policy/bounded-text.ts';
import { readSnapshot } from '../image/policy/snapshot-file.ts';
import { decideFromSnapshot } from '../policy/decide-from-snapshot.ts';
import type { Decision } from '../policy/decide.ts';
import { unknown } from '../policy/rule/judging.ts';
import type { PolicySnapshot } from '../policy/snapshot.ts';
import type { Clock } from '../service/clock.ts';
import { parsePublicKeys } from '../service/detached-signature.ts';
import { makePrivateDirectory, PRIVATE_FILE, writeFileAtomic } from '../service/files.ts';
import type { Logger } from '../service/log.ts';

/** Decides on images by the newest snapshot that was read. */
export interface SnapshotSource {
  /** Never `allow` while there is no snapshot. */
  readonly judgeImage: (reference: string) => Decision;
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
const MAX_KEY_BYTES = 64 * 1024;

/**
 * Reads the snapshot, and again whenever its files change. One that is wrong, or older than one before, is reported and
 * not used; the one before stays in force. Rejects where the key or the state directory cannot be used.
 */
export async function openSnapshotSource(options: SnapshotSourceOptions): Promise<SnapshotSource> {
  const { directory, stateDirectory, clock, log } = options;
  const keys = await readKeys(options.keyFile);
  const versionFile = join(stateDirectory, 'snapshot-version');
  await makePrivateDirectory(stateDirectory);
  const stop = new AbortController();
  let minVersion = await readVersion(versionFile);
  let snapshot: PolicySnapshot | undefined;
  let problem = 'it is not read yet';
  let fingerprint = '';
  let cancel = (): void => undefined;
  const load = async (): Promise<void> => {
    const next = await fingerprintOf(directory);
    if (next === fingerprint) return;
    const opened = await readSnapshot(directory, { keys, minVersion }, { clock, signal: stop.signal });
    fingerprint = next;
    if (!opened.ok) {
      problem = opened.reason;
      log.error({ directory, problem }, 'the policy snapshot cannot be used; the one before stays in force');
      return;
    }
    const { version, byDigest } = opened.snapshot;
    if (version > minVersion) await writeFileAtomic(versionFile, `${String(version)}\n`, PRIVATE_FILE);
    minVersion = version;
    ({ snapshot } = opened);
    log.info({ version, digests: byDigest.size }, 'policy snapshot loaded');
  };
  const poll = (): void => {
    cancel = clock.after(POLL_MS, () => {
      void load()
        .catch((error: unknown) => log.error({ error }, 'the policy snapshot could not be read'))
        .finally(() => (stop.signal.aborted ? undefined : poll()));
    });
  };
  await load();
  poll();
  return {
    judgeImage: (reference) =>
      snapshot === undefined
        ? withoutSnapshot(problem)
        : decideFromSnapshot({ reference, digest: undefined, namespace: undefined }, snapshot, clock.now()),
    close: () => {
      stop.abort();
      cancel();
    },
  };
}

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

async function readKeys(path: string): Promise<readonly KeyObject[]> {
  const hint = 'name the public key of the collector: --policy-snapshot-key FILE';
  const failure = (problem: string): Error =>
    Object.assign(new Error(`policy-snapshot-key: ${path} ${problem}`), { code: 'KEY', hint });
  const read = await readBoundedText(path, MAX_KEY_BYTES);
  if (!read.ok) throw failure(read.reason);
  const parsed = parsePublicKeys(read.text);
  if (!parsed.ok) throw failure(parsed.reason);
  return parsed.keys;
}

/** Rejects where the file is there and cannot be read: to start at 0 would accept an old snapshot. */
async function readVersion(path: string): Promise<number> {
  const read = await readBoundedText(path, 64);
  if (!read.ok && read.reason === 'does not exist') return 0;
  const version = read.ok ? Number(read.text.trim()) : NaN;
  if (Number.isSafeInteger(version) && version >= 0) return version;
  const hint = 'restore it from the log, where the version of each snapshot is, or remove it';
  throw Object.assign(new Error(`${path} does not hold the version of a snapshot`), { code: 'VERSION', hint });
}

async function fingerprintOf(directory: string): Promise<string> {
  const parts = await Promise.all(
    ['snapshot.json', 'snapshot.sig'].map(async (name) => {
      const found = await stat(join(directory, name), { bigint: true }).catch(() => undefined);
      return found === undefined ? '-' : [found.ino, found.size, found.ctimeNs].join(' ');
    }),
  );
  return parts.join('\n');
}
