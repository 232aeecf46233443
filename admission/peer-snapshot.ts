import { createHash, timingSafeEqual } from 'node:crypto';
import { readCollectorToken } from '../image/policy/collector-token.ts';
import { downloadSnapshot } from '../image/policy/snapshot-download.ts';
import type { SnapshotServer } from '../image/policy/snapshot-download.ts';
import { openSnapshot, readSignedSnapshot, writeSnapshot } from '../image/policy/snapshot-file.ts';
import { readPublicKeys } from '../image/policy/snapshot-reader.ts';
import { sleep } from '../service/clock.ts';
import type { Clock } from '../service/clock.ts';
import type { Settings } from '../service/config/settings.ts';
import { errorCode } from '../service/files.ts';
import type { Logger } from '../service/log.ts';
import type { ShareSnapshot } from './webhook-server.ts';

/*
 * Replicas of the webhook share the snapshot of the collector: one that starts while the collector is down would have
 * nothing to judge by. It is signed, so a replica can at most withhold it; the token of the replicas shows that whoever
 * asks may read it.
 */

/** Hands out the snapshot on disk to whoever has the token of the replicas. */
export function shareSnapshot({
  policySnapshot,
  policySnapshotTokenFile,
}: Pick<Settings, 'policySnapshot' | 'policySnapshotTokenFile'>): ShareSnapshot {
  return async (authorization) => {
    const own = await readCollectorToken(policySnapshotTokenFile);
    if (!own.ok || !timingSafeEqual(hashOf(authorization), hashOf(`Bearer ${own.token}`))) return 'forbidden';
    const read = await readSignedSnapshot(policySnapshot);
    return read.ok ? read.snapshot : undefined;
  };
}

function hashOf(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

/** What fetching from other replicas needs. */
export interface PeerOptions {
  readonly settings: Pick<
    Settings,
    'policySnapshot' | 'policySnapshotKey' | 'policySnapshotPeers' | 'policySnapshotTokenFile'
  >;
  /** Whether there is a snapshot to judge by. */
  readonly hasSnapshot: () => boolean;
  /** Authorities of the certificates of the replicas, in PEM. */
  readonly authorities: () => string | undefined;
  /** What this replica presents: the others may ask clients for a certificate. */
  readonly identity: () => SnapshotServer['identity'];
  readonly minVersion: () => number;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/** The collector is asked first. */
const FIRST_MS = 5_000;
const RETRY_MS = 5_000;

/** Fetches the snapshot of another replica until there is one, also from the collector. Never rejects. */
export async function fetchFromPeers(options: PeerOptions): Promise<void> {
  const { settings, hasSnapshot, authorities, identity, clock, log, signal } = options;
  const { policySnapshotPeers: address } = settings;
  if (address === 'off') return;
  let reported = '';
  for (let waitMs = FIRST_MS; !signal.aborted; waitMs = RETRY_MS) {
    await sleep(clock, waitMs, signal);
    if (signal.aborted || hasSnapshot()) return;
    const server = {
      address,
      ca: authorities(),
      identity: identity(),
      tokenFile: settings.policySnapshotTokenFile,
    };
    const reason = await fetchOnce(options, server).catch((error: unknown) => errorCode(error));
    if (reason === '') log.info({}, 'policy snapshot fetched from another replica');
    else if (reason !== reported) log.warn({ reason }, 'no snapshot from another replica');
    reported = reason;
  }
}

/** Why it could not be stored; empty: it is stored. */
async function fetchOnce({ settings, minVersion, signal }: PeerOptions, server: SnapshotServer): Promise<string> {
  const keys = await readPublicKeys(settings.policySnapshotKey);
  if (!keys.ok) return `${settings.policySnapshotKey} ${keys.reason}`;
  const downloaded = await downloadSnapshot(server, { etag: '', signal });
  if (!downloaded.ok) return downloaded.reason;
  if (downloaded.snapshot === undefined) return 'it has none';
  const opened = await openSnapshot(downloaded.snapshot, { keys: keys.keys, minVersion: minVersion() });
  if (!opened.ok) return opened.reason;
  await writeSnapshot(settings.policySnapshot, downloaded.snapshot);
  return '';
}
