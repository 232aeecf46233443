import { ok, problem, unknown, warning } from '../../service/diagnostic.ts';
import { readNodeNamespaces } from '../inspector/proc/node-namespaces.ts';
import { AS_ROOT } from './node-subject.ts';
import type { NodeDiagnostic, NodeSubject } from './node-subject.ts';

/** Largest number of processes that is listed; the same bound as where containers are read. */
const MAX_ENTRIES = 200_000;

/** Whether the processes of other users, and those of the whole machine, are visible. */
export const processVisibility: NodeDiagnostic = Object.freeze({
  id: 'node.processes',
  group: 'node',
  title: 'processes',
  run: async ({ access: { host }, uid }: NodeSubject) => {
    const listed = await host.list('/proc', { maxEntries: MAX_ENTRIES });
    if (!listed.ok) return unknown(`/proc: ${listed.reason}`, 'mount /proc, or correct --host-root');
    const count = listed.value.filter((name) => /^\d+$/.test(name)).length;
    if (!listed.value.includes('1'))
      return problem(
        'processes of other users are hidden (hidepid on /proc, proc_pid(5))',
        'run the agent as root, or as a member of the group in the gid= option of the mount of /proc',
      );
    const { seesAll, inodes } = await readNodeNamespaces(host);
    if (!seesAll)
      return warning(
        `only the ${String(count)} processes of this pid namespace are visible`,
        'in a container, use --pid=host; otherwise containers cannot be judged by what the kernel says',
      );
    if (inodes.mnt.state === 'seen') return ok(`all ${String(count)} processes of the machine, with their namespaces`);
    const reason = inodes.mnt.state === 'unreadable' ? inodes.mnt.reason : 'not there';
    return warning(
      `all ${String(count)} processes, but not the namespaces of others: ${reason}`,
      uid === 0 ? 'give the agent CAP_SYS_PTRACE; a security module may deny it as well' : AS_ROOT,
    );
  },
});
