import { fail, pass, unknownBecause } from '../../verdict.ts';
import { containerCheck } from '../check.ts';
import { quoteList } from '../evidence-text.ts';
import { publishedPorts, usesHostNetwork } from '../published-port.ts';

/** Ports below this need a privilege by default: ip(7), net.ipv4.ip_unprivileged_port_start. */
const FIRST_UNPRIVILEGED = 1024;

export const privilegedPort = containerCheck({
  id: 'container.privileged-port',
  title: 'No container publishes a port below 1024 of the node',
  severity: 'medium',
  rationale:
    'Clients trust that what answers on a low port was started by the administrator of the machine. The engine, which is root, gives such a port to any container that asks.',
  remediation:
    'Publish on 1024 or above (-p 8443:443) behind a load balancer or reverse proxy, or waive the finding for a container whose purpose the port is.',
  references: [
    'https://docs.docker.com/engine/network/port-publishing/',
    'https://docs.kernel.org/networking/ip-sysctl.html',
  ],
  judges: 'container',
  needs: [],
  judge: (container) => {
    if (usesHostNetwork(container))
      return unknownBecause(
        'the container uses the network of the node, and its own listening ports are not told apart',
      );
    const ports = publishedPorts(container.declared);
    const low = ports.filter(({ hostPort }) => hostPort < FIRST_UNPRIVILEGED);
    const evidence = {
      source: 'inspect NetworkSettings.Ports',
      seen: quoteList((low.length > 0 ? low : ports).map(({ label }) => label)),
      expected: 'host ports from 1024 up',
    };
    return low.length > 0 ? fail(evidence) : pass(evidence);
  },
});
