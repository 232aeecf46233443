import { containerCheck } from '../check.ts';
import { judgeNamespace } from '../namespace.ts';

export const hostIpc = containerCheck({
  id: 'container.host-ipc',
  title: 'No container shares the System V IPC and message queues of the node',
  severity: 'medium',
  rationale:
    'Shared memory segments, semaphores and message queues of node services can be read and changed from a container that shares their IPC namespace.',
  remediation:
    'Start the container without --ipc host; containers that must share memory can join one another with --ipc shareable and --ipc container:NAME.',
  references: ['https://man7.org/linux/man-pages/man7/ipc_namespaces.7.html'],
  judges: 'container',
  needs: [],
  judge: (container) => judgeNamespace(container, { name: 'ipc', field: 'IpcMode', mode: container.declared.ipcMode }),
});
