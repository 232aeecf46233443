import { sourceOf } from '../../fact/container.ts';
import { fail, pass, unknownBecause } from '../../verdict.ts';
import { containerCheck } from '../check.ts';
import { quoteList } from '../evidence-text.ts';
import { publishedPorts, usesHostNetwork } from '../published-port.ts';

/** Ports below this need a privilege by default: ip(7), net.ipv4.ip_unprivileged_port_start. */
const FIRST_UNPRIVILEGED = 1024;

export const privilegedPort = containerCheck({
  id: 'container.privileged-port',
  title: 'No host port below 1024 is published',
  failTitle: 'Host port below 1024 is published',
  severity: 'medium',
  rationale:
    'Clients trust that the administrator of the host started the service behind a low port. The engine, which is root, gives such a port to any container.',
  remediation:
    'Publish on 1024 or above (-p 8443:443) behind a load balancer or reverse proxy, or waive the finding for a container that exists to serve this port.',
  references: [
    'https://docs.docker.com/engine/network/port-publishing/',
    'https://docs.kernel.org/networking/ip-sysctl.html',
  ],
  judges: 'container',
  needs: [],
  judge: (container) => {
    if (usesHostNetwork(container))
      return unknownBecause('the container uses the host network, where its listening ports cannot be identified');
    const ports = publishedPorts(container.declared);
    const low = ports.filter(({ hostPort }) => hostPort < FIRST_UNPRIVILEGED);
    const evidence = {
      source: sourceOf(container, 'ports'),
      seen: quoteList((low.length > 0 ? low : ports).map(({ label }) => label)),
      expected: 'host ports from 1024 up',
    };
    return low.length > 0 ? fail(`the container occupies a privileged port of the host`, evidence) : pass(evidence);
  },
});
