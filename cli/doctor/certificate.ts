import type { X509Certificate } from 'node:crypto';
import { ok, problem, unknown, warning } from '../../service/diagnostic.ts';
import type { DiagnosticResult } from '../../service/diagnostic.ts';
import { readCertificate, readKey } from '../../service/tls/pem-file.ts';
import type { CertificateFile, KeyFile } from '../../service/tls/pem-file.ts';
import { TlsError } from '../../service/tls/tls-error.ts';
import { AS_OWNER } from './place.ts';

const DAY_MS = 86_400_000;
/** People need some time to see to a certificate that nobody renews by itself. */
const SOON_MS = 30 * DAY_MS;

/** A file that was read, one that is not there, or what stands in the way of reading it. */
export type ReadFile<T> =
  | { readonly state: 'read'; readonly file: T }
  | { readonly state: 'absent' }
  | { readonly state: 'refused'; readonly examined: DiagnosticResult };

/** The certificate in `path`. */
export function openCertificate(path: string): Promise<ReadFile<CertificateFile>> {
  return openFile(path, readCertificate);
}

/** The private key in `path`; one that others can read is refused. */
export function openKey(path: string): Promise<ReadFile<KeyFile>> {
  return openFile(path, readKey);
}

async function openFile<T>(path: string, read: (path: string) => Promise<T | undefined>): Promise<ReadFile<T>> {
  try {
    const file = await read(path);
    return file === undefined ? { state: 'absent' } : { state: 'read', file };
  } catch (error) {
    if (!(error instanceof TlsError)) throw error;
    return { state: 'refused', examined: explain(error, path) };
  }
}

function explain({ code, message }: TlsError, path: string): DiagnosticResult {
  switch (code) {
    case 'exposed':
      return problem(
        `others than its owner can read the private key ${path}`,
        `if nobody did: chmod 600 ${path}; otherwise remove it, and make a new one`,
      );
    case 'unreadable':
      return unknown(message, AS_OWNER);
    case 'absent':
    case 'invalid':
    case 'mismatch':
    case 'expired':
    case 'name':
      return problem(message, 'put the right file there');
  }
}

/** How long a certificate is good for. `renewal`: what makes a new one. */
export function judgeValidity(
  { validFrom, validTo }: X509Certificate,
  nowMs: number,
  renewal: string,
): DiagnosticResult {
  const [fromMs, untilMs] = [Date.parse(validFrom), Date.parse(validTo)];
  if (nowMs < fromMs)
    return problem(
      `valid from ${day(fromMs)} only, which this machine's clock has not reached`,
      'set the clock, or the one of the machine that made it',
    );
  if (nowMs >= untilMs) return problem(`expired on ${day(untilMs)}, ${days(nowMs - untilMs)} ago`, renewal);
  const seen = `valid until ${day(untilMs)}, ${days(untilMs - nowMs)} more`;
  return untilMs - nowMs < SOON_MS ? warning(seen, renewal) : ok(seen);
}

function day(atMs: number): string {
  return new Date(atMs).toISOString().slice(0, 10);
}

function days(durationMs: number): string {
  const count = Math.floor(durationMs / DAY_MS);
  return `${String(count)} day${count === 1 ? '' : 's'}`;
}
