import { join } from 'node:path';
import type { Settings } from '../service/config/settings.ts';
import { makePrivateDirectory } from '../service/files.ts';
import { ensureAuthority, ensureNodeCertificate } from '../service/tls/authority.ts';
import { openLiveNode } from './live-node.ts';

/**
 * Sees to it that the data directory holds an authority and a certificate for this node, for an agent on the
 * collector's own machine. Throws TlsError for files that are there and cannot be used.
 */
export async function ensureLocalIdentity(settings: Settings, version: string, now: () => number): Promise<void> {
  const { hostRoot, dockerHost, nodeName, dataDir } = settings;
  await makePrivateDirectory(join(dataDir, 'agent'));
  const access = await openLiveNode({ hostRoot, dockerHost, nodeName, dataDir, agentVersion: version, now });
  const { id } = await access.inventory();
  const authority = await ensureAuthority(join(dataDir, 'tls'), now());
  await ensureNodeCertificate(authority, id, now());
}
