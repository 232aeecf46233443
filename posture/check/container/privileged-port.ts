import { sourceOf } from '../../fact/container.ts';
import { fail, pass } from '../../verdict.ts';
import { containerCheck } from '../check.ts';
import { notSeen, passOnEveryThread } from '../container-reading.ts';
import { quoteList } from '../evidence-text.ts';
import { publishedPorts, usesHostNetwork } from '../published-port.ts';

/** Ports below this need a privilege by default: ip(7), net.ipv4.ip_unprivileged_port_start. */
const FIRST_UNPRIVILEGED = 1024;

export const privilegedPort = containerCheck({
  id: 'container.privileged-port',
  title: 'No host port below 1024 is published',
  failTitle: 'Host port below 1024 is published',
  judgedBy: 'configuration',
  severity: 'medium',
  rationale:
    'Clients trust that the administrator of the host started the service behind a low port. The engine, which is root, gives such a port to any container.',
  remediation:
    'Publish on 1024 or above (-p 8443:443), or in the network of the host listen there, behind a load balancer or reverse proxy, or waive the finding for a container that exists to serve this port.',
  references: [
    'https://docs.docker.com/engine/network/port-publishing/',
    'https://docs.kernel.org/networking/ip-sysctl.html',
  ],
  judges: 'container',
  needs: [],
  judge: (container) => {
    const { hostPorts } = container;
    const ports = publishedPorts(container.declared);
    const low = ports.filter(({ hostPort }) => hostPort < FIRST_UNPRIVILEGED);
    const evidence = {
      source: sourceOf(container, 'ports'),
      seen: quoteList((low.length > 0 ? low : ports).map(({ label }) => label)),
      expected: 'host ports from 1024 up',
    };
    if (low.length > 0) return fail('the container occupies a privileged port of the host', evidence);
    if (hostPorts.state !== 'seen') return usesHostNetwork(container) ? notSeen(hostPorts) : pass(evidence);
    const kernel = {
      source: hostPorts.value[0]?.source ?? hostPorts.source,
      seen: quoteList(
        hostPorts.value.map(
          ({ address, port }) => `${address.includes(':') ? `[${address}]` : address}:${String(port)}`,
        ),
      ),
      expected: 'no process of the container listens below port 1024 of the host',
    };
    return hostPorts.value.length > 0
      ? fail('the container uses the host network and listens on a privileged port of the host', kernel)
      : passOnEveryThread(container, kernel);
  },
});
