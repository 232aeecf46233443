import type { Facts } from '../../../../posture/fact/facts.ts';
import type { SshdFact } from '../../../../posture/fact/sshd.ts';
import { absent, seen, unreadable } from '../../../../posture/observed.ts';
import { sshdFact } from '../../../fixture/facts.ts';
import type { NodeRow } from '../../../fixture/node-table.ts';

export const CONFIG = '/etc/ssh/sshd_config';
export const RUNNING = seen('running' as const, '/proc/611');

/** A running sshd with these facts. */
export function fact(overrides: Partial<SshdFact>): Partial<Facts> {
  return { sshd: sshdFact({ present: RUNNING, ...overrides }) };
}

/** What every check answers where there is no sshd, or where it cannot be read. */
export const UNJUDGED: readonly NodeRow[] = [
  { name: 'no sshd', facts: {}, verdict: 'notApplicable', reason: /no SSH server/ },
  {
    name: 'not for us',
    facts: fact({ contexts: unreadable(CONFIG, 'permission denied (EACCES)') }),
    verdict: 'unknown',
    reason: /sshd_config: permission denied \(EACCES\)/,
  },
  {
    name: 'installed alone',
    facts: fact({ present: seen('installed', CONFIG) }),
    verdict: 'notApplicable',
    reason: /neither runs nor is enabled/,
  },
  {
    name: 'nobody could tell whether it is there',
    facts: fact({ present: unreadable('/proc', 'hidepid'), contexts: absent(CONFIG) }),
    verdict: 'unknown',
    reason: /hidepid/,
  },
];
