import { readFileSync } from 'node:fs';
import { parseProcStatus } from '../inspector/proc/proc-status.ts';

/** The user and the effective capabilities (hexadecimal) of this process. Throws where /proc is not mounted. */
export function processRights(): { readonly uid: number; readonly capabilities: string } {
  const status = parseProcStatus(readFileSync('/proc/self/status', 'latin1'));
  if (status === undefined) throw new Error('/proc/self/status is not understood');
  return { uid: status.effectiveUid, capabilities: status.capabilities.effective };
}
