import type { Clock } from '../../service/clock.ts';
import type { Settings } from '../../service/config/settings.ts';
import { makePrivateDirectory } from '../../service/files.ts';
import type { Logger } from '../../service/log.ts';
import { readCertificate } from '../../service/tls/pem-file.ts';
import { TlsError } from '../../service/tls/tls-error.ts';
import type { SnapshotServer } from './snapshot-download.ts';
import { runSnapshotFetcher } from './snapshot-fetcher.ts';

/** What fetching works with. */
export interface FetchOptions {
  readonly settings: Pick<
    Settings,
    'policySnapshot' | 'policySnapshotCollector' | 'policySnapshotCa' | 'policySnapshotKey' | 'policySnapshotTokenFile'
  >;
  /** Version of the newest snapshot that was used: none below it is stored. */
  readonly minVersion: () => number;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/** A snapshot that is kept up to date. */
export interface SnapshotFetching {
  /** Undefined: the settings name no collector. */
  readonly server: SnapshotServer | undefined;
  readonly ended: Promise<void>;
}

/**
 * Starts to fetch the snapshot of the collector that the settings name. `ended` settles when the signal aborts, at once
 * where they name none. Rejects where the authorities or the directory cannot be used.
 */
export async function fetchSnapshots(options: FetchOptions): Promise<SnapshotFetching> {
  const { settings, ...rest } = options;
  const { policySnapshot, policySnapshotCollector, policySnapshotCa, policySnapshotKey } = settings;
  if (policySnapshotCollector === 'off') return { server: undefined, ended: Promise.resolve() };
  const authorities = policySnapshotCa === 'system' ? undefined : await readCertificate(policySnapshotCa);
  if (authorities === undefined && policySnapshotCa !== 'system')
    throw new TlsError('absent', `${policySnapshotCa} is missing: the authorities of the collector`);
  await makePrivateDirectory(policySnapshot);
  const server = {
    address: policySnapshotCollector,
    ca: authorities?.pem,
    tokenFile: settings.policySnapshotTokenFile,
  };
  return {
    server,
    ended: runSnapshotFetcher({ server, directory: policySnapshot, keyFile: policySnapshotKey, ...rest }),
  };
}
