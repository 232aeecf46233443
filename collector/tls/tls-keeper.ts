import { stat } from 'node:fs/promises';
import { X509Certificate } from 'node:crypto';
import { dirname, join } from 'node:path';
import { sleep } from '../../service/clock.ts';
import type { Clock } from '../../service/clock.ts';
import type { Settings } from '../../service/config/settings.ts';
import type { Logger } from '../../service/log.ts';
import { ensureAuthority, ensureServerCertificate, serverNames } from '../../service/tls/authority.ts';
import type { Issuer } from '../../service/tls/issue.ts';
import { loadTlsFiles } from '../../service/tls/load-tls-files.ts';
import { parseCertificates, readKey } from '../../service/tls/pem-file.ts';
import { publicKeyPin } from '../../service/tls/signing-request.ts';
import { TlsError } from '../../service/tls/tls-error.ts';
import { createMutex } from '../session/mutex.ts';
import { beginRotation, completeRotation, readRotation } from './rotation.ts';
import type { Rotation } from './rotation.ts';

/** What the listeners for nodes use, as PEM text. */
export interface ListenerTls {
  /** The CAs that certificates of nodes may be signed by: one, or two while the CA is rotated. */
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
  /** The CA that signed `cert`. */
  readonly serverCa: string;
}

/** A CA that nodes may trust now. */
export interface TrustedAuthority {
  /** Hash of its public key, as `join-ca-hash` takes it. */
  readonly hash: string;
  readonly certificatePem: string;
  readonly expiresMs: number;
}

/** Why a rotation did not begin. */
export type RotationRefusal = 'inProgress' | 'notOurs';

/** The keys and certificates of the collector, kept current while it runs. */
export interface TlsKeeper {
  readonly current: () => ListenerTls;
  /** The CA that signs certificates of nodes. Throws {@link TlsError} where its key is not at hand. */
  readonly issuer: () => Promise<Issuer>;
  /** The current CA, and the next one while the CA is rotated. */
  readonly authorities: () => readonly TrustedAuthority[];
  /** When the rotation that is in progress ends, milliseconds since 1970; 0: none is. */
  readonly rotationEndsMs: () => number;
  /** Begins a rotation. Rejects with the error of the file system. */
  readonly rotate: (overlapMs: number) => Promise<RotationRefusal | undefined>;
  /** Calls `listener` after each change of {@link TlsKeeper.current}. */
  readonly onChange: (listener: (tls: ListenerTls) => void) => void;
  /** Resolves once nothing is read any more after `signal` aborted. */
  readonly over: Promise<void>;
}

/** What a keeper works with. */
export interface TlsKeeperOptions {
  readonly settings: Settings;
  readonly hostName: string;
  /** The collector has been started before, and had an authority then. */
  readonly isUsed: boolean;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/** How often the files are read again. */
const CHECK_MS = 60_000;

interface Loaded {
  readonly tls: ListenerTls;
  readonly rotation: Rotation | undefined;
}

/**
 * Opens the keys and certificates of the port for nodes, and reads them again every minute. In the data directory they are
 * made where they are missing, and renewed; those that the settings name elsewhere, or whose CA keeps its key elsewhere,
 * are only read. A CA that was there before is never replaced but by a rotation: that would lock out all nodes. Files that
 * cannot be used at the start throw TlsError; later they are logged, and the ones from before stay in use.
 */
export async function openTlsKeeper(options: TlsKeeperOptions): Promise<TlsKeeper> {
  const { settings, clock, log, signal } = options;
  const directory = join(settings.dataDir, 'tls');
  const mutex = createMutex();
  const listeners: ((tls: ListenerTls) => void)[] = [];
  let loaded = await load(options, directory);
  const apply = (next: Loaded): void => {
    const [before, after] = [loaded.tls, next.tls];
    loaded = next;
    if (before.ca === after.ca && before.cert === after.cert && before.key === after.key) return;
    log.info({ authorities: hashesOf(after.ca) }, 'certificates have changed and are in use');
    for (const listener of listeners) listener(after);
  };
  const exclusively = async <T>(work: () => Promise<T>): Promise<T> => {
    const release = await mutex.acquire();
    try {
      return await work();
    } finally {
      release();
    }
  };
  const check = async (): Promise<void> => {
    try {
      await exclusively(async () => apply(await load({ ...options, isUsed: true }, directory)));
    } catch (error) {
      log.error({ error }, 'certificates could not be read again; the ones from before stay in use');
    }
  };
  const keep = async (): Promise<void> => {
    while (!signal.aborted) {
      const leftMs = (loaded.rotation?.endsMs ?? Infinity) - clock.now();
      await sleep(clock, Math.max(0, Math.min(CHECK_MS, leftMs)), signal);
      if (!signal.aborted) await check();
    }
  };
  return {
    current: () => loaded.tls,
    issuer: async () =>
      loaded.rotation?.next ?? { certificatePem: loaded.tls.serverCa, keyPem: await readCaKey(directory, loaded.tls) },
    authorities: () => splitPem(loaded.tls.ca).map(authorityOf),
    rotationEndsMs: () => loaded.rotation?.endsMs ?? 0,
    rotate: (overlapMs) =>
      exclusively(async () => {
        if (loaded.rotation !== undefined) return 'inProgress';
        if (!(await isOurs(settings, directory))) return 'notOurs';
        await beginRotation(directory, clock.now(), overlapMs);
        apply(await load({ ...options, isUsed: true }, directory));
        log.warn({ endsMs: clock.now() + overlapMs }, 'the CA is being rotated');
        return undefined;
      }),
    onChange: (listener) => void listeners.push(listener),
    over: keep(),
  };
}

async function load({ settings, hostName, isUsed, clock, log }: TlsKeeperOptions, directory: string): Promise<Loaded> {
  const paths = { ca: settings.tlsCa, cert: settings.tlsCert, key: settings.tlsKey };
  let rotation: Rotation | undefined;
  if (await isOurs(settings, directory)) {
    if (isUsed && !(await exists(paths.ca)))
      throw new TlsError(
        'absent',
        `${paths.ca} is missing, although this collector has been used before: restore ${directory} from a backup. ` +
          `To begin with a new authority instead, move the store away as well; every node then needs a new certificate`,
      );
    rotation = await readRotation(directory);
    if (rotation !== undefined && rotation.endsMs <= clock.now()) {
      await completeRotation(directory, rotation);
      rotation = undefined;
      log.warn({}, 'the rotation of the CA is complete; the CA from before is not trusted any more');
    }
    const authority = await ensureAuthority(directory, clock.now());
    await ensureServerCertificate(
      authority,
      serverNames(settings.listen.host, hostName, [...apiNames(settings), ...settings.tlsNames]),
      clock.now(),
    );
  }
  const { ca, cert, key } = await loadTlsFiles(paths);
  const both = rotation === undefined ? ca : `${ca.trimEnd()}\n${rotation.next.certificatePem}`;
  return { tls: { ca: both, cert, key, serverCa: ca }, rotation };
}

/** Are the files those of the data directory, with the key of the CA? */
async function isOurs({ tlsCa, tlsCert, tlsKey }: Settings, directory: string): Promise<boolean> {
  if (![tlsCa, tlsCert, tlsKey].every((path) => dirname(path) === directory)) return false;
  return !((await exists(tlsCa)) && !(await exists(join(directory, 'ca-key.pem'))));
}

/** Certificates that another key signed would be refused by every listener, and use the join tokens up. */
async function readCaKey(directory: string, { serverCa }: ListenerTls): Promise<string> {
  const path = join(directory, 'ca-key.pem');
  const key = await readKey(path);
  if (key !== undefined && new X509Certificate(serverCa).checkPrivateKey(key.key)) return key.pem;
  throw new TlsError('mismatch', `${path} is ${key === undefined ? 'missing' : 'not the key of the CA in use'}`);
}

function authorityOf(certificatePem: string): TrustedAuthority {
  const expiresMs = Date.parse(new X509Certificate(certificatePem).validTo);
  return { hash: publicKeyPin(certificatePem), certificatePem, expiresMs };
}

function splitPem(pem: string): readonly string[] {
  return parseCertificates(pem).map((certificate) => certificate.toString());
}

function hashesOf(pem: string): readonly string[] {
  return splitPem(pem).map(publicKeyPin);
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

/** The operator API can use the same certificate at another address. */
function apiNames({ api: { host } }: Settings): readonly string[] {
  return host === '0.0.0.0' || host === '::' ? [] : [host];
}
