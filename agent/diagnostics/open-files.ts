import { ok, unknown, warning } from '../../service/diagnostic.ts';
import { readText } from '../inspector/read-text.ts';
import type { NodeDiagnostic, NodeSubject } from './node-subject.ts';

/** A collector holds a descriptor a node and one a client; an agent some 20. The usual default of a service is 1,024. */
const LEAST = 1_024;

/** May this process open enough files? Node.js raises its soft limit to the hard one by itself. */
export const openFiles: NodeDiagnostic = Object.freeze({
  id: 'node.open-files',
  group: 'node',
  title: 'open files',
  run: async ({ access: { host } }: NodeSubject) => {
    const read = await readText(host, '/proc/self/limits', 16 * 1024);
    // proc_pid_limits(5): name, soft limit, hard limit, unit, in columns.
    const match = read.ok ? /^Max open files\s+(\d+|unlimited)\s+(\d+|unlimited)/m.exec(read.value) : null;
    if (match === null) return unknown('/proc/self/limits could not be read', 'is /proc mounted?');
    const [, soft = '', hard = ''] = match;
    const seen = `at most ${soft} (the system allows ${hard})`;
    const limit = soft === 'unlimited' ? Number.POSITIVE_INFINITY : Number(soft);
    return limit >= LEAST
      ? ok(seen)
      : warning(seen, 'a collector needs one a node: raise it (systemd: LimitNOFILE=65536; shell: ulimit -n)');
  },
});
