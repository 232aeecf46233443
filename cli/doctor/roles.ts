import { access } from 'node:fs/promises';
import { join } from 'node:path';
import type { Settings } from '../../service/config/settings.ts';
import { errorCode } from '../../service/files.ts';

/** What runs, or has run, on this data directory. */
export interface Roles {
  readonly collector: boolean;
  readonly agent: boolean;
  /** The key of the fleet's authority lies here: certificates are made here, and made anew in time. */
  readonly authority: boolean;
  /** This user may not look into the directory: the other answers are worth nothing. */
  readonly hidden: boolean;
}

/** Tells them by the files that each leaves. */
export async function findRoles({ dataDir }: Settings, agent: Settings): Promise<Roles> {
  const has = async (...path: readonly string[]): Promise<boolean> => (await look(join(dataDir, ...path))) === 'there';
  const [store, authority, spool] = [await has('store.sqlite'), await has('tls', 'ca-key.pem'), await has('agent')];
  return {
    collector: store || authority,
    // A certificate that was brought here is meant for an agent that has not run yet.
    agent: spool || (await look(agent.tlsCert)) === 'there',
    authority,
    hidden: (await look(join(dataDir, 'tls'))) === 'hidden',
  };
}

async function look(path: string): Promise<'there' | 'absent' | 'hidden'> {
  try {
    await access(path);
    return 'there';
  } catch (error) {
    return errorCode(error) === 'EACCES' ? 'hidden' : 'absent';
  }
}
