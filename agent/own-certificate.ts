import { X509Certificate } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Settings } from '../service/config/settings.ts';
import { ensureAuthority, ensureNodeCertificate } from '../service/tls/authority.ts';
import { nodeIdentity } from '../service/tls/node-identity.ts';
import { loadTlsFiles } from '../service/tls/load-tls-files.ts';
import type { TlsFiles } from '../service/tls/load-tls-files.ts';
import { findValidCertificate } from './enrollment/certificate-files.ts';
import { TlsError } from '../service/tls/tls-error.ts';

/**
 * Where the authority of the collector lies in our own data directory (both run on this machine), makes our certificate,
 * or a new one when its time runs out. Anywhere else certificates are brought here. Rejects with a TlsError.
 */
export async function ensureOwnCertificate(settings: Settings, nodeId: string, nowMs: number): Promise<void> {
  const directory = join(settings.dataDir, 'tls');
  const isOurs =
    settings.tlsCert === join(directory, 'agent.pem') && settings.tlsKey === join(directory, 'agent-key.pem');
  if (!isOurs || !existsSync(join(directory, 'ca-key.pem'))) return;
  await ensureNodeCertificate(await ensureAuthority(directory, nowMs), nodeId, nowMs);
}

/**
 * Reads the certificate with its key and authority. Rejects with a TlsError, also where it names another node: the
 * collector goes by the certificate, and would take what this node says for what that one says.
 */
export async function loadOwnCertificate(settings: Settings, nodeId: string, nowMs: number): Promise<TlsFiles> {
  const { tlsCa: ca, tlsKey: key } = settings;
  const cert = await findValidCertificate(settings.tlsCert, nowMs);
  const files = await loadTlsFiles({ ca, cert, key });
  const certificate = new X509Certificate(files.cert);
  const identity = nodeIdentity(certificate.raw);
  if (identity.ok && identity.nodeId === nodeId) return files;
  const name = certificate.subjectAltName ?? 'no node';
  throw new TlsError(
    'mismatch',
    `the certificate in ${cert} is for ${name.slice(0, 300)}, but this node is ${nodeId}: were the files copied from another node? Put a certificate for ${nodeId} there`,
  );
}
