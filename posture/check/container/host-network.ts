import { containerCheck } from '../check.ts';
import { judgeNamespace } from '../namespace.ts';

export const hostNetwork = containerCheck({
  id: 'container.host-network',
  title: 'Container does not use the host network',
  failTitle: 'Container uses the host network',
  judgedBy: 'effect',
  severity: 'high',
  rationale:
    'In the network namespace of the host a process reaches abstract sockets and services that listen only on loopback, can bind any port, and sees the traffic of the host.',
  remediation:
    'Start the container without --network host, attach it to a network of its own and publish the ports that it serves. In a pod, remove hostNetwork.',
  references: [
    'https://docs.docker.com/engine/network/drivers/host/',
    'https://man7.org/linux/man-pages/man7/network_namespaces.7.html',
  ],
  judges: 'container',
  ownKernel: 'declared',
  needs: [],
  judge: (container) =>
    judgeNamespace(container, { name: 'net', field: 'networkMode', mode: container.declared.networkMode }),
});
