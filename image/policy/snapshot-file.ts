import type { KeyObject } from 'node:crypto';
import { join } from 'node:path';
import { MAX_SNAPSHOT_BYTES, parseSnapshot } from '../../policy/snapshot.ts';
import type { PolicySnapshot } from '../../policy/snapshot.ts';
import { sleep } from '../../service/clock.ts';
import type { Clock } from '../../service/clock.ts';
import { verifyDetached } from '../../service/detached-signature.ts';
import { writeFileAtomic } from '../../service/files.ts';
import { readBoundedFile } from './bounded-text.ts';

/*
 * A snapshot on disk: `snapshot.json`, and `snapshot.sig` with the signature of exactly these bytes in base64. Whoever
 * may read the directory can decide from it; whoever may write it can only make it unusable.
 */

/** A snapshot as it is sent and stored. */
export interface SignedSnapshot {
  readonly content: Uint8Array;
  /** In base64. */
  readonly signature: string;
}

/** What a snapshot must be to be believed. */
export interface SnapshotTrust {
  /** Keys of the collector. */
  readonly keys: readonly KeyObject[];
  /** Version of the newest snapshot that was believed; 0: none. An older one could bring back what was revoked. */
  readonly minVersion: number;
}

/** A snapshot, or why it cannot be used. `older`: older than the last accepted one. `reason` is for people. */
export type OpenedSnapshot =
  | { readonly ok: true; readonly snapshot: PolicySnapshot }
  | {
      readonly ok: false;
      readonly code: 'missing' | 'notSigned' | 'malformed' | 'older';
      readonly reason: string;
    };

const SNAPSHOT_FILE = 'snapshot.json';
const SIGNATURE_FILE = 'snapshot.sig';
/** Names of the files of a snapshot in its directory. */
export const SNAPSHOT_FILES: readonly string[] = [SNAPSHOT_FILE, SIGNATURE_FILE];
const MAX_SIGNATURE_BYTES = 4096;
const READ_TRIES = 5;
const RETRY_MS = 100;
/** The directory says who may read: there is no secret in a snapshot. */
const MODE = 0o644;

/** Verifies and parses a snapshot. Nothing of it is parsed before its signature is verified. Never rejects. */
export async function openSnapshot(
  { content, signature }: SignedSnapshot,
  { keys, minVersion }: SnapshotTrust,
): Promise<OpenedSnapshot> {
  if (content.length > MAX_SNAPSHOT_BYTES) return failed('malformed', 'it is too large');
  if (!(await verifyDetached(content, signature, keys)))
    return failed('notSigned', 'its signature is not one of the collector');
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(content));
  } catch {
    return failed('malformed', 'it is not JSON');
  }
  const parsed = parseSnapshot(value);
  if (!parsed.ok) return failed('malformed', parsed.problem);
  const { version } = parsed.value;
  if (version < minVersion)
    return failed('older', `its version ${String(version)} is below ${String(minVersion)}, which was used before`);
  return { ok: true, snapshot: parsed.value };
}

/** Writes a snapshot for {@link readSnapshot}. Rejects with the error of the file system. */
export async function writeSnapshot(directory: string, { content, signature }: SignedSnapshot): Promise<void> {
  await writeFileAtomic(join(directory, SNAPSHOT_FILE), content, MODE);
  await writeFileAtomic(join(directory, SIGNATURE_FILE), `${signature}\n`, MODE);
}

/**
 * Reads, verifies and parses the snapshot of a directory. The two files are replaced one after the other, so a signature
 * that does not fit is read again for half a second. Never rejects.
 */
export async function readSnapshot(
  directory: string,
  trust: SnapshotTrust,
  { clock, signal }: { readonly clock: Clock; readonly signal: AbortSignal },
): Promise<OpenedSnapshot> {
  for (let left = READ_TRIES; ; left -= 1) {
    const opened = await readOnce(directory, trust);
    if (opened.ok || opened.code !== 'notSigned' || left <= 1 || signal.aborted) return opened;
    await sleep(clock, RETRY_MS, signal);
  }
}

async function readOnce(directory: string, trust: SnapshotTrust): Promise<OpenedSnapshot> {
  const read = await readSignedSnapshot(directory);
  return read.ok ? openSnapshot(read.snapshot, trust) : read;
}

/** Reads the files of a directory without verifying them. Never rejects. */
export async function readSignedSnapshot(
  directory: string,
): Promise<{ readonly ok: true; readonly snapshot: SignedSnapshot } | Extract<OpenedSnapshot, { ok: false }>> {
  const content = await readBoundedFile(join(directory, SNAPSHOT_FILE), MAX_SNAPSHOT_BYTES);
  if (!content.ok) return failed('missing', `${join(directory, SNAPSHOT_FILE)} ${content.reason}`);
  const signature = await readBoundedFile(join(directory, SIGNATURE_FILE), MAX_SIGNATURE_BYTES);
  if (!signature.ok) return failed('missing', `${join(directory, SIGNATURE_FILE)} ${signature.reason}`);
  const text = Buffer.from(signature.bytes).toString('latin1').trim();
  return { ok: true, snapshot: { content: content.bytes, signature: text } };
}

function failed(
  code: Extract<OpenedSnapshot, { ok: false }>['code'],
  reason: string,
): Extract<OpenedSnapshot, { ok: false }> {
  return { ok: false, code, reason };
}
