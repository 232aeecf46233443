import { readUntil } from './exchange.ts';
import { hasStatusLine, httpStatus, isHttp2, probeRequest } from './ping.ts';
import type { SecureVersion } from 'node:tls';
import type { Target } from './exchange.ts';
import type { TlsVersion } from './client-hello.ts';

/** What a client without a certificate met with, over one version of TLS. */
export interface TlsAttempt {
  /** HTTP status, where it was answered. */
  readonly status: number | undefined;
  /** An HTTP/2 server began to talk. */
  readonly isHttp2: boolean;
  /** Number of the fatal alert, where it was refused. */
  readonly alert: number | undefined;
  /** How it ended otherwise, in a few words. */
  readonly end: string;
  /** The server asked for a certificate; false also where that does not show (before TLS 1.2). */
  readonly requestsCertificate: boolean;
  readonly certificate: Buffer | undefined;
}

/**
 * A full handshake without a certificate, then the request for the path of the service. The answer decides, not the handshake: in TLS 1.3 a client
 * is done before the server has looked at its certificate, and the refusal comes with the first read.
 */
export async function attemptTls(target: Target, version: TlsVersion, timeoutMs: number): Promise<TlsAttempt> {
  const wanted: SecureVersion = version;
  // Loaded when it is used: most nodes have no port to probe.
  const { connect } = process.getBuiltinModule('node:tls');
  const socket = connect({
    host: target.host,
    port: target.port,
    minVersion: wanted,
    maxVersion: wanted,
    // OpenSSL has the old versions and their hashes at this level only. We look, we do not trust.
    ciphers: 'DEFAULT@SECLEVEL=0',
    rejectUnauthorized: false,
    // A gRPC server closes a connection on which HTTP/2 was not agreed.
    ...(target.service === 'containerd' ? { ALPNProtocols: ['h2'] } : {}),
  });
  let certificate: Buffer | undefined;
  let requestsCertificate = false;
  const note = (): void => {
    certificate ??= socket.getPeerX509Certificate()?.raw;
    // On a client these are the algorithms of the server's CertificateRequest: without one there are none.
    // A socket that broke before the handshake has none at all, whatever its type says.
    const algorithms = socket.getSharedSigalgs() as readonly string[] | null;
    requestsCertificate ||= algorithms !== null && algorithms.length > 0;
  };
  socket.once('secureConnect', note);
  socket.once('error', note);
  const { received, end, error } = await readUntil(
    socket,
    'secureConnect',
    probeRequest(target.service),
    hasStatusLine,
    timeoutMs,
  );
  const alert = /SSL alert number (\d{1,3})/.exec(error)?.[1];
  return {
    status: httpStatus(received),
    isHttp2: isHttp2(received),
    alert: alert === undefined ? undefined : Number(alert),
    end: end === 'timeout' ? 'no answer' : error === '' ? 'connection closed' : error,
    requestsCertificate,
    certificate,
  };
}
