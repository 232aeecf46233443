import { open } from 'node:fs/promises';
import { join } from 'node:path';
import tls from 'node:tls';
import type { Result } from '../../api/client.ts';
import { usesApiTls } from '../../service/config/api-url.ts';
import type { Settings } from '../../service/config/settings.ts';
import { errorCode } from '../../service/files.ts';

/** Longest file of authorities. */
const MAX_BYTES = 1024 * 1024;

/**
 * Makes this process trust the authority of the operator API, where the settings name one: it connects to nothing else
 * over HTTPS. With `auto` that is the CA of the fleet if it is in the data directory.
 */
export async function trustApi(
  settings: Pick<Settings, 'api' | 'apiTls' | 'apiTlsCa' | 'dataDir'>,
): Promise<Result<void>> {
  const { apiTlsCa, dataDir } = settings;
  if (!usesApiTls(settings) || apiTlsCa === 'system') return { ok: true, value: undefined };
  const path = apiTlsCa === 'auto' ? join(dataDir, 'tls', 'ca.pem') : apiTlsCa;
  try {
    const file = await open(path, 'r');
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(MAX_BYTES), 0, MAX_BYTES, 0);
      tls.setDefaultCACertificates([buffer.toString('latin1', 0, bytesRead)]);
      return { ok: true, value: undefined };
    } finally {
      await file.close();
    }
  } catch (error) {
    const code = errorCode(error);
    if (apiTlsCa === 'auto' && (code === 'ENOENT' || code === 'EACCES')) return { ok: true, value: undefined };
    const message = `the authority of the operator API could not be read from ${path}: ${code}`;
    return {
      ok: false,
      problem: { kind: 'refused', message, hint: 'name another with --api-tls-ca FILE', retryAfterMs: 0 },
    };
  }
}

/** What to do where a connection over TLS, or one that should have used TLS, failed with this code; undefined: unrelated. */
export function tlsHint(url: string, code: string): string | undefined {
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID')
    return 'its certificate does not name this host: add the name to tls-names of the collector';
  if (/CERT|SIGNED|ISSUER|VERIFY/.test(code))
    return 'its certificate was not signed by an authority that is trusted here: name its CA with --api-tls-ca FILE';
  if (code === 'EPROTO' || code.startsWith('ERR_SSL')) return 'it may speak plain HTTP: --api-tls off';
  if (code === 'UND_ERR_SOCKET' && url.startsWith('http:')) return 'it may speak TLS: --api-tls on';
  return undefined;
}
