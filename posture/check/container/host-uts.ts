import { containerCheck } from '../check.ts';
import { judgeNamespace } from '../namespace.ts';

export const hostUts = containerCheck({
  id: 'container.host-uts',
  title: 'No container can change the host name of the node',
  severity: 'low',
  rationale:
    'A container in the UTS namespace of the node that holds CAP_SYS_ADMIN can rename the node, which misleads logs, monitoring and licence checks.',
  remediation: 'Start the container without --uts host.',
  references: ['https://man7.org/linux/man-pages/man7/uts_namespaces.7.html'],
  judges: 'container',
  needs: [],
  judge: (container) => judgeNamespace(container, { name: 'uts', field: 'UTSMode', mode: container.declared.utsMode }),
});
