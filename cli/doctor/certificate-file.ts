import type { X509Certificate } from 'node:crypto';
import { ok, problem, unknown, warning } from '../../service/diagnostic.ts';
import type { DiagnosticResult } from '../../service/diagnostic.ts';
import { readCertificate, readKey } from '../../service/tls/pem-file.ts';
import type { CertificateFile, KeyFile } from '../../service/tls/pem-file.ts';
import { TlsError } from '../../service/tls/tls-error.ts';
import { AS_OWNER } from './place.ts';

const DAY_MS = 86_400_000;
/** Time to replace a certificate that no program renews. */
const EXPIRES_SOON_MS = 30 * DAY_MS;

/** A file that was read, that does not exist, or that was refused with a result that says why. */
export type ReadFile<T> =
  | { readonly state: 'read'; readonly file: T }
  | { readonly state: 'absent' }
  | { readonly state: 'refused'; readonly result: DiagnosticResult };

/** The certificate in `path`. */
export function openCertificate(path: string): Promise<ReadFile<CertificateFile>> {
  return openFile(path, readCertificate);
}

/** The private key in `path`; a key that other users can read is refused. */
export function openKey(path: string): Promise<ReadFile<KeyFile>> {
  return openFile(path, readKey);
}

async function openFile<T>(path: string, read: (path: string) => Promise<T | undefined>): Promise<ReadFile<T>> {
  try {
    const file = await read(path);
    return file === undefined ? { state: 'absent' } : { state: 'read', file };
  } catch (error) {
    if (!(error instanceof TlsError)) throw error;
    return { state: 'refused', result: explain(error, path) };
  }
}

function explain({ code, message }: TlsError, path: string): DiagnosticResult {
  switch (code) {
    case 'exposed':
      return problem(
        `other users can read the private key ${path}`,
        `if no one did: chmod 600 ${path}; otherwise remove it and create a new key`,
      );
    case 'unreadable':
      return unknown(message, AS_OWNER);
    case 'absent':
    case 'invalid':
    case 'mismatch':
    case 'expired':
    case 'name':
      return problem(message, 'replace it with the right file');
  }
}

/** How long a certificate is valid. `renewal`: how to get a new one. */
export function judgeValidity(
  { validFrom, validTo }: X509Certificate,
  nowMs: number,
  renewal: string,
): DiagnosticResult {
  const [fromMs, untilMs] = [Date.parse(validFrom), Date.parse(validTo)];
  if (nowMs < fromMs)
    return problem(
      `not valid before ${day(fromMs)}; the clock of this machine says ${day(nowMs)}`,
      'set the clock of this machine, or of the machine that issued the certificate',
    );
  if (nowMs >= untilMs) return problem(`expired on ${day(untilMs)}, ${days(nowMs - untilMs)} ago`, renewal);
  const observed = `valid until ${day(untilMs)}, ${days(untilMs - nowMs)} left`;
  return untilMs - nowMs < EXPIRES_SOON_MS ? warning(observed, renewal) : ok(observed);
}

function day(atMs: number): string {
  return new Date(atMs).toISOString().slice(0, 10);
}

function days(durationMs: number): string {
  const count = Math.floor(durationMs / DAY_MS);
  return `${String(count)} day${count === 1 ? '' : 's'}`;
}
