import { containerCheck } from '../check.ts';
import { judgeNamespace } from '../namespace.ts';

export const hostUts = containerCheck({
  id: 'container.host-uts',
  title: 'Container does not share the host UTS namespace',
  failTitle: 'Container shares the host UTS namespace',
  judgedBy: 'effect',
  severity: 'low',
  rationale:
    'A container in the UTS namespace of the host that holds CAP_SYS_ADMIN can rename the host, which misleads logs, monitoring and licence checks.',
  remediation: 'Start the container without --uts host. A pod has it with hostNetwork.',
  references: ['https://man7.org/linux/man-pages/man7/uts_namespaces.7.html'],
  judges: 'container',
  ownKernel: 'declared',
  needs: [],
  judge: (container) => judgeNamespace(container, { name: 'uts', field: 'utsMode', mode: container.declared.utsMode }),
});
