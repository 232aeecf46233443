import { fetchSnapshots } from '../image/policy/fetch-snapshots.ts';
import { readSnapshot } from '../image/policy/snapshot-file.ts';
import { readPublicKeys } from '../image/policy/snapshot-reader.ts';
import type { Clock } from '../service/clock.ts';
import { formatAddress } from '../service/config/kind.ts';
import type { Settings } from '../service/config/settings.ts';
import type { Logger } from '../service/log.ts';

/** What the program needs. */
export interface AuthzFetchOptions {
  readonly settings: Settings;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
  readonly onReady: () => void;
}

/**
 * Fetches the policy snapshot for the authorization plugin until `signal` aborts: a process of its own, so that the one
 * that decides needs no network. Rejects with what stops it from starting.
 */
export async function runAuthzFetch({ settings, clock, log, signal, onReady }: AuthzFetchOptions): Promise<void> {
  const { policySnapshot: directory, policySnapshotCollector: collector, policySnapshotKey: keyFile } = settings;
  const fail = (message: string, hint: string): never => {
    throw Object.assign(new Error(message), { code: 'settings', hint });
  };
  if (collector === 'off') return fail('there is no collector to ask', 'set --policy-snapshot-collector HOST:PORT');
  if (directory === 'off') return fail('there is no directory for the snapshot', 'set --policy-snapshot DIRECTORY');
  const keys = await readPublicKeys(keyFile);
  if (!keys.ok) return fail(`policy-snapshot-key: ${keyFile} ${keys.reason}`, 'name the public key of the collector');
  // One that is there already is not replaced by an older one.
  const stored = await readSnapshot(directory, { keys: keys.keys, minVersion: 0 }, { clock, signal });
  const minVersion = stored.ok ? stored.snapshot.version : 0;
  const fetching = await fetchSnapshots({ settings, minVersion: () => minVersion, clock, log, signal });
  log.info({ collector: formatAddress(collector), directory, version: minVersion }, 'fetching policy snapshots');
  onReady();
  await fetching.ended;
}
