import { access } from 'node:fs/promises';
import { join } from 'node:path';
import type { Settings } from '../../service/config/settings.ts';

/** Which programs use or have used a data directory; none where this user cannot read it. */
export interface Roles {
  readonly collector: boolean;
  readonly agent: boolean;
  /** The key of the fleet's authority is here: the programs issue and renew their certificates themselves. */
  readonly authority: boolean;
}

/** Derives the roles from the files that each program leaves. */
export async function findRoles({ dataDir }: Settings, agent: Settings): Promise<Roles> {
  const [store, authority, spool] = await Promise.all([
    exists(join(dataDir, 'store.sqlite')),
    exists(join(dataDir, 'tls', 'ca-key.pem')),
    exists(join(dataDir, 'agent')),
  ]);
  return {
    collector: store || authority,
    // A certificate that was copied here is for an agent that has not run yet.
    agent: spool || (await exists(agent.tlsCert)),
    authority,
  };
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
