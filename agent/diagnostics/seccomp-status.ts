import { ok, unknown, warning } from '../../service/diagnostic.ts';
import { parseProcStatus } from '../inspector/proc/proc-status.ts';
import { readText } from '../inspector/read-text.ts';
import type { NodeDiagnostic, NodeSubject } from './node-subject.ts';

/** Does the kernel tell the seccomp mode of a process? The most important check of containers stands on it. */
export const seccompStatus: NodeDiagnostic = Object.freeze({
  id: 'node.seccomp',
  group: 'node',
  title: 'seccomp',
  run: async ({ access: { host }, kernel }: NodeSubject) => {
    const read = await readText(host, '/proc/self/status');
    const status = read.ok ? parseProcStatus(read.value) : undefined;
    if (status === undefined) return unknown('/proc/self/status could not be read', 'is /proc mounted?');
    if (status.seccomp === undefined)
      return warning(
        'this kernel was built without seccomp: no container can be filtered',
        'use a kernel with CONFIG_SECCOMP_FILTER',
      );
    const { seccompActions } = await kernel();
    const actions = seccompActions.state === 'seen' ? `; actions ${seccompActions.value.join(', ')}` : '';
    return ok(`the kernel tells it (this process: Seccomp: ${String(status.seccomp)})${actions}`);
  },
});
