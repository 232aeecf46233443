import { access } from 'node:fs/promises';
import { join } from 'node:path';
import type { Settings } from '../../service/config/settings.ts';

/** What runs, or has run, on this data directory. Nothing, where this user may not look into it. */
export interface Roles {
  readonly collector: boolean;
  readonly agent: boolean;
  /** The key of the fleet's authority lies here: certificates are made here, and made anew in time. */
  readonly authority: boolean;
}

/** Tells them by the files that each leaves. */
export async function findRoles({ dataDir }: Settings, agent: Settings): Promise<Roles> {
  const [store, authority, spool] = await Promise.all([
    isThere(join(dataDir, 'store.sqlite')),
    isThere(join(dataDir, 'tls', 'ca-key.pem')),
    isThere(join(dataDir, 'agent')),
  ]);
  return {
    collector: store || authority,
    // A certificate that was brought here is meant for an agent that has not run yet.
    agent: spool || (await isThere(agent.tlsCert)),
    authority,
  };
}

async function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
