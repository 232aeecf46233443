import { containerCheck } from '../check.ts';
import { judgeNamespace } from '../namespace.ts';

export const hostIpc = containerCheck({
  id: 'container.host-ipc',
  title: 'Container does not share the host IPC namespace',
  failTitle: 'Container shares the host IPC namespace',
  judgedBy: 'effect',
  severity: 'medium',
  rationale:
    'A container in the IPC namespace of the host can read and change shared memory segments, semaphores and message queues of host services.',
  remediation:
    'Start the container without --ipc host; containers that must share memory can join one another with --ipc shareable and --ipc container:NAME. In a pod, remove hostIPC.',
  references: ['https://man7.org/linux/man-pages/man7/ipc_namespaces.7.html'],
  judges: 'container',
  ownKernel: 'declared',
  needs: [],
  judge: (container) => judgeNamespace(container, { name: 'ipc', field: 'ipcMode', mode: container.declared.ipcMode }),
});
