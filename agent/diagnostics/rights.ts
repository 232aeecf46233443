import { ok, unknown, warning } from '../../service/diagnostic.ts';
import { parseProcStatus } from '../inspector/proc/proc-status.ts';
import { readText } from '../inspector/read-text.ts';
import { AS_ROOT } from './node-subject.ts';
import type { NodeDiagnostic, NodeSubject } from './node-subject.ts';

/** Capabilities without which parts of the node stay dark, by bit number (linux/capability.h). */
const NEEDED = Object.freeze([
  { bit: 1, name: 'CAP_DAC_OVERRIDE', alternative: 2 },
  { bit: 19, name: 'CAP_SYS_PTRACE', alternative: undefined },
]);

/** Root or not, and whether root has what root usually has. */
export const rights: NodeDiagnostic = Object.freeze({
  id: 'node.rights',
  group: 'node',
  title: 'rights',
  run: async ({ access: { host }, uid }: NodeSubject) => {
    const read = await readText(host, '/proc/self/status');
    const status = read.ok ? parseProcStatus(read.value) : undefined;
    if (status === undefined) return unknown('/proc/self/status could not be read', 'is /proc mounted?');
    if (uid !== 0)
      return warning(
        `user ${String(uid)}, not root: what only root may read will be judged unknown`,
        'run the agent as root for a whole picture',
      );
    const effective = BigInt(`0x${status.capabilities.effective}`);
    const has = (bit: number): boolean => ((effective >> BigInt(bit)) & 1n) === 1n;
    const missing = NEEDED.filter(
      ({ bit, alternative }) => !has(bit) && !(alternative !== undefined && has(alternative)),
    );
    if (missing.length === 0) return ok('root, with the capabilities to read files and processes of others');
    const names = missing.map(({ name }) => name).join(', ');
    return warning(`root, but without ${names}`, `grant it (docker run --cap-add), or ${AS_ROOT}`);
  },
});
