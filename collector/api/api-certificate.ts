import { stat } from 'node:fs/promises';
import { within } from '../../service/clock.ts';
import type { Clock } from '../../service/clock.ts';
import { errorCode } from '../../service/files.ts';
import type { Logger } from '../../service/log.ts';
import { readCertificate, readKey } from '../../service/tls/pem-file.ts';
import { TlsError } from '../../service/tls/tls-error.ts';
import type { Issue } from '../status/collector-status.ts';

/** How often the files are looked at. Not inotify: a mounted secret is replaced by a link of its directory. */
const POLL_MS = 5_000;
const STAT_DEADLINE_MS = 2_000;
/** So long before its end a certificate is an issue. */
const SOON_MS = 7 * 86_400_000;

/** Certificate and key of the operator API, as PEM text. */
export interface ApiKeyPair {
  readonly cert: string;
  readonly key: string;
}

/** The certificate of the operator API. It follows its files. */
export interface ApiCertificate {
  readonly current: () => ApiKeyPair;
  /** Calls back with each pair that replaces the current one. Connections that are open keep theirs. */
  readonly onChange: (callback: (pair: ApiKeyPair) => void) => void;
  readonly issues: () => readonly Issue[];
  readonly close: () => void;
}

/** Where certificate and key are. */
export interface ApiCertificateOptions {
  readonly certPath: string;
  readonly keyPath: string;
  readonly clock: Clock;
  readonly log: Logger;
}

interface Loaded extends ApiKeyPair {
  readonly expiresMs: number;
}

/**
 * Reads certificate and key, and again whenever a file changes. What cannot be used then is not: the pair before stays,
 * and the reason is an issue. Throws TlsError if they cannot be used at the start.
 */
export async function openApiCertificate(options: ApiCertificateOptions): Promise<ApiCertificate> {
  const { certPath, keyPath, clock, log } = options;
  const callbacks: ((pair: ApiKeyPair) => void)[] = [];
  // Before reading: a change between the two is seen at the next look.
  let version = await versionOf(options);
  let loaded = await loadPair(certPath, keyPath);
  let problem: string | undefined;
  let isClosed = false;
  let stop = (): void => undefined;
  const look = async (): Promise<void> => {
    const next = await versionOf(options);
    if (next === version && problem === undefined) return;
    try {
      const pair = await loadPair(certPath, keyPath);
      version = next;
      problem = undefined;
      if (pair.cert === loaded.cert && pair.key === loaded.key) return;
      loaded = pair;
      for (const callback of callbacks) callback(pair);
      log.info(
        { certPath, expires: new Date(pair.expiresMs).toISOString() },
        'the certificate of the API was replaced',
      );
    } catch (error) {
      const reason = error instanceof TlsError ? error.message : errorCode(error);
      if (reason !== problem) log.error({ reason }, 'the certificate of the API cannot be read; the one before stays');
      problem = reason;
    }
  };
  const poll = (): void => {
    stop = clock.after(POLL_MS, () => void look().finally(() => (isClosed ? undefined : poll())));
  };
  poll();
  return {
    current: () => loaded,
    onChange: (callback) => void callbacks.push(callback),
    issues: () => issuesOf(certPath, problem, loaded.expiresMs - clock.now()),
    close: () => {
      isClosed = true;
      stop();
    },
  };
}

function issuesOf(subject: string, problem: string | undefined, leftMs: number): readonly Issue[] {
  const code = 'apiCertificate';
  if (problem !== undefined)
    return [
      {
        code,
        subject,
        text: `the certificate of the operator API was changed and cannot be used; the one before is still used: ${problem}`,
        advice: 'put a certificate and its key in place; they are read again within seconds, without a restart',
      },
    ];
  if (leftMs > SOON_MS) return [];
  const text =
    leftMs <= 0 ? 'has expired: clients refuse it' : `expires in ${String(Math.ceil(leftMs / 86_400_000))} d`;
  return [
    {
      code,
      subject,
      text: `the certificate of the operator API ${text}`,
      advice: 'replace the files; one of the own CA is issued again when the collector starts',
    },
  ];
}

async function loadPair(certPath: string, keyPath: string): Promise<Loaded> {
  const [certificate, key] = [await readCertificate(certPath), await readKey(keyPath)];
  if (certificate === undefined)
    throw new TlsError('absent', `${certPath} is missing: the certificate of the operator API`);
  if (key === undefined) throw new TlsError('absent', `${keyPath} is missing: the private key of the operator API`);
  if (!certificate.certificate.checkPrivateKey(key.key))
    throw new TlsError('mismatch', `${keyPath} is not the key of the certificate in ${certPath}`);
  return { cert: certificate.pem, key: key.pem, expiresMs: Date.parse(certificate.certificate.validTo) };
}

/** Changes with each of the files; empty where they cannot be read. */
async function versionOf({ certPath, keyPath, clock }: ApiCertificateOptions): Promise<string> {
  const read = Promise.all([certPath, keyPath].map((path) => stat(path, { bigint: true })))
    .then((stats) =>
      stats.map(({ dev, ino, size, mtimeNs, ctimeNs }) => [dev, ino, size, mtimeNs, ctimeNs].join(':')).join(' '),
    )
    .catch(() => '');
  return within(clock, STAT_DEADLINE_MS, read, () => '');
}
