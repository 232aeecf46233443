import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Settings } from '../service/config/settings.ts';
import { ensureAuthority, ensureNodeCertificate } from '../service/tls/authority.ts';

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
