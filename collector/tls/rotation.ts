import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import * as s from '../../posture/schema.ts';
import { errorCode, PRIVATE_FILE, writeFileAtomic } from '../../service/files.ts';
import { issueCertificate } from '../../service/tls/issue.ts';
import type { Issuer } from '../../service/tls/issue.ts';
import { readCertificate, readKey } from '../../service/tls/pem-file.ts';
import { TlsError } from '../../service/tls/tls-error.ts';

/**
 * A rotation of the CA, kept beside its keys: `ca-next.pem`, `ca-next-key.pem` and, written last, `ca-rotation.json`. Until
 * `endsMs` both CAs are trusted, the next one signs certificates of nodes, and the current one signs that of the
 * collector, since nodes that were away trust no other.
 */
export interface Rotation {
  readonly startedMs: number;
  readonly endsMs: number;
  readonly next: Issuer;
}

const rotationSchema = s.object({ startedMs: s.integer(), endsMs: s.integer() });
/** Certificates are public. */
const PUBLIC_FILE = 0o644;

interface Paths {
  readonly ca: string;
  readonly caKey: string;
  readonly next: string;
  readonly nextKey: string;
  readonly state: string;
}

function pathsOf(directory: string): Paths {
  const at = (name: string): string => join(directory, name);
  return {
    ca: at('ca.pem'),
    caKey: at('ca-key.pem'),
    next: at('ca-next.pem'),
    nextKey: at('ca-next-key.pem'),
    state: at('ca-rotation.json'),
  };
}

/** The rotation that is in progress in `directory`; undefined: none. Throws {@link TlsError} for damaged files. */
export async function readRotation(directory: string): Promise<Rotation | undefined> {
  const { next: nextPath, nextKey: nextKeyPath, state } = pathsOf(directory);
  const text = await readFile(state, 'utf8').catch((error: unknown) => {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw new TlsError('unreadable', `${state} could not be read: ${errorCode(error)}`, { cause: error });
  });
  if (text === undefined) return undefined;
  const parsed = rotationSchema.parse(parseJson(text));
  const [next, key] = [await readCertificate(nextPath), await readKey(nextKeyPath)];
  if (!parsed.ok || next === undefined || key === undefined || !next.certificate.checkPrivateKey(key.key))
    throw new TlsError(
      'invalid',
      `the rotation of the CA in ${directory} is damaged: restore ${state}, ${nextPath} and ${nextKeyPath}, ` +
        `or remove all three to give the rotation up`,
    );
  return { ...parsed.value, next: { certificatePem: next.pem, keyPem: key.pem } };
}

/** Makes the next CA. Rejects with the error of the file system; the rotation has then not begun. */
export async function beginRotation(directory: string, nowMs: number, overlapMs: number): Promise<Rotation> {
  const { next: nextPath, nextKey: nextKeyPath, state } = pathsOf(directory);
  const next = await issueCertificate({ kind: 'authority' }, undefined, nowMs);
  await writeFileAtomic(nextKeyPath, next.keyPem, PRIVATE_FILE);
  await writeFileAtomic(nextPath, next.certificatePem, PUBLIC_FILE);
  const times = { startedMs: nowMs, endsMs: nowMs + overlapMs };
  await writeFileAtomic(state, `${JSON.stringify(times)}\n`, PRIVATE_FILE);
  return { ...times, next };
}

/** Makes the next CA the only one. Can be repeated after a crash in the middle of it. */
export async function completeRotation(directory: string, { startedMs, next }: Rotation): Promise<void> {
  const paths = pathsOf(directory);
  // A clock that is set back must not stop half way.
  await writeFileAtomic(paths.state, `${JSON.stringify({ startedMs, endsMs: 0 })}\n`, PRIVATE_FILE);
  await writeFileAtomic(paths.caKey, next.keyPem, PRIVATE_FILE);
  await writeFileAtomic(paths.ca, next.certificatePem, PUBLIC_FILE);
  for (const path of [paths.state, paths.next, paths.nextKey]) await rm(path, { force: true });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
