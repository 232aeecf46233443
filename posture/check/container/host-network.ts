import { containerCheck } from '../check.ts';
import { judgeNamespace } from '../namespace.ts';

export const hostNetwork = containerCheck({
  id: 'container.host-network',
  title: 'No container shares the network of the node',
  severity: 'high',
  rationale:
    "Inside the node's network namespace a process reaches services that listen on loopback only and abstract sockets, can take any port, and sees the traffic of the node.",
  remediation:
    'Start the container without --network host, attach it to a network of its own and publish the ports that it serves.',
  references: [
    'https://docs.docker.com/engine/network/drivers/host/',
    'https://man7.org/linux/man-pages/man7/network_namespaces.7.html',
  ],
  judges: 'container',
  needs: [],
  judge: (container) =>
    judgeNamespace(container, { name: 'net', field: 'NetworkMode', mode: container.declared.networkMode }),
});
