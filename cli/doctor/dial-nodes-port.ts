import { connect as connectHttp2 } from 'node:http2';
import { isIP } from 'node:net';
import { checkServerIdentity } from 'node:tls';
import { formatAddress } from '../../service/config/kind.ts';
import type { Address } from '../../service/config/kind.ts';
import type { TlsFiles } from '../../service/tls/load-tls-files.ts';
import { connectionReason } from './connection-reason.ts';
import type { ConnectionReason } from './connection-reason.ts';

/** The result of a connection like an agent's. `dateMs`: the collector's clock; NaN where it is not known. */
export type Dialled =
  | { readonly ok: true; readonly dateMs: number; readonly tookMs: number }
  /** `shaken`: the handshake succeeded, then the collector closed the connection: it refused our certificate. */
  | { readonly ok: false; readonly shaken: boolean; readonly reason: ConnectionReason };

const DEADLINE_MS = 1_500;

/**
 * Connects to the port for nodes as an agent does: TLS 1.3, only the fleet's authority, our certificate. Then it sends
 * a request: with TLS 1.3 only the first response shows that the certificate was accepted.
 */
export function dialNodesPort(address: Address, tls: TlsFiles, signal: AbortSignal): Promise<Dialled> {
  const startedMs = performance.now();
  const { host } = address;
  return new Promise((resolve) => {
    let shaken = false;
    const session = connectHttp2(`https://${formatAddress(address)}`, {
      ca: tls.ca,
      cert: tls.cert,
      key: tls.key,
      minVersion: 'TLSv1.3',
      // Server name indication must not contain an address (RFC 6066, section 3).
      servername: isIP(host) === 0 ? host : '',
      checkServerIdentity: (_name, certificate) => checkServerIdentity(host, certificate),
    });
    const finish = (outcome: Dialled): void => {
      limit.removeEventListener('abort', stop);
      session.destroy();
      resolve(outcome);
    };
    const fail = (error: unknown): void => finish({ ok: false, shaken, reason: connectionReason(error) });
    const limit = AbortSignal.any([signal, AbortSignal.timeout(DEADLINE_MS)]);
    const stop = (): void => fail(limit.reason);
    limit.addEventListener('abort', stop, { once: true });
    session.on('error', fail);
    session.on('close', () => fail(Object.assign(new Error('closed'), { code: 'ECONNRESET' })));
    session.on('connect', () => (shaken = true));
    const request = session.request({ ':method': 'GET', ':path': '/' });
    request.on('error', () => undefined);
    request.on('response', (headers) => {
      const tookMs = Math.round(performance.now() - startedMs);
      finish({ ok: true, dateMs: Date.parse(headers.date ?? ''), tookMs });
    });
  });
}
