import { readBoundedText } from './bounded-text.ts';
import { downloadSnapshot } from './snapshot-download.ts';
import type { SnapshotServer } from './snapshot-download.ts';
import { openSnapshot, writeSnapshot } from './snapshot-file.ts';
import { sleep } from '../../service/clock.ts';
import type { Clock } from '../../service/clock.ts';
import { parsePublicKeys } from '../../service/detached-signature.ts';
import { errorCode } from '../../service/files.ts';
import type { Logger } from '../../service/log.ts';

/** What a fetcher works with. */
export interface SnapshotFetcherOptions {
  readonly server: SnapshotServer;
  /** Directory in which the snapshot is stored. */
  readonly directory: string;
  /** Public keys in PEM that may sign the snapshot. */
  readonly keyFile: string;
  /** Version of the newest snapshot that was used. */
  readonly minVersion: () => number;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** Default: {@link FETCH_MS}. */
  readonly fetchMs?: number;
}

const FETCH_MS = 10_000;
const MAX_KEY_BYTES = 64 * 1024;

/**
 * Fetches the snapshot of the collector into a directory until the signal aborts. One that is not signed by the
 * collector or is older than the one in use is not stored: what is on disk stays usable. Never rejects.
 */
export async function runSnapshotFetcher(options: SnapshotFetcherOptions): Promise<void> {
  const { clock, log, signal, fetchMs = FETCH_MS } = options;
  let [etag, reported, newest] = ['', '', 0];
  while (!signal.aborted) {
    const fetched = await fetchOnce(options, { etag, minVersion: Math.max(newest, options.minVersion()) });
    if (fetched.ok) [etag, newest] = [fetched.etag, Math.max(newest, fetched.version)];
    else if (fetched.reason !== reported && !signal.aborted)
      log.warn({ reason: fetched.reason }, 'no snapshot from the collector; the one on disk stays in use');
    reported = fetched.ok ? '' : fetched.reason;
    await sleep(clock, fetchMs, signal);
  }
}

/** `version`: of what was stored; 0: nothing was. */
type Fetched =
  | { readonly ok: true; readonly etag: string; readonly version: number }
  | { readonly ok: false; readonly reason: string };

async function fetchOnce(
  { server, directory, keyFile, signal }: SnapshotFetcherOptions,
  { etag, minVersion }: { readonly etag: string; readonly minVersion: number },
): Promise<Fetched> {
  const pem = await readBoundedText(keyFile, MAX_KEY_BYTES);
  if (!pem.ok) return { ok: false, reason: `${keyFile} ${pem.reason}` };
  const parsed = parsePublicKeys(pem.text);
  if (!parsed.ok) return { ok: false, reason: `${keyFile}: ${parsed.reason}` };
  const downloaded = await downloadSnapshot(server, { etag, signal });
  if (!downloaded.ok) return downloaded;
  if (downloaded.snapshot === undefined) return { ok: true, etag, version: 0 };
  const opened = await openSnapshot(downloaded.snapshot, { keys: parsed.keys, minVersion });
  if (!opened.ok) return opened;
  try {
    await writeSnapshot(directory, downloaded.snapshot);
    return { ok: true, etag: downloaded.etag, version: opened.snapshot.version };
  } catch (error) {
    return { ok: false, reason: `${directory}: ${errorCode(error)}` };
  }
}
