import { containerCheck } from '../check.ts';
import { judgeNamespace } from '../namespace.ts';

export const hostPid = containerCheck({
  id: 'container.host-pid',
  title: 'Container does not share the host PID namespace',
  failTitle: 'Container shares the host PID namespace',
  judgedBy: 'effect',
  severity: 'high',
  rationale:
    'In the PID namespace of the host a container reads the environment and open files of every process through /proc, and may signal or trace them.',
  remediation:
    'Start the container without --pid host. A debugging container can join one other container with --pid container:NAME. In a pod, remove hostPID.',
  references: ['https://man7.org/linux/man-pages/man7/pid_namespaces.7.html'],
  judges: 'container',
  ownKernel: 'declared',
  needs: [],
  judge: (container) => judgeNamespace(container, { name: 'pid', field: 'pidMode', mode: container.declared.pidMode }),
});
