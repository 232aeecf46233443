import { sourceOf } from '../../fact/container.ts';
import { fail, notApplicable, pass } from '../../verdict.ts';
import { containerCheck } from '../check.ts';
import { quoteList } from '../evidence-text.ts';
import { publishedPorts, usesHostNetwork } from '../published-port.ts';

export const portBindAddress = containerCheck({
  id: 'container.port-bind-address',
  title: 'No port is published on all host addresses',
  failTitle: 'Ports are published on all host addresses',
  judgedBy: 'configuration',
  severity: 'medium',
  rationale:
    'A port that is bound to all addresses is reachable on every network of the host, including networks that are added later. Its packet filter rules precede those of most host firewalls.',
  remediation:
    'Publish with an address (-p 10.0.0.5:8080:80, or 127.0.0.1 behind a local proxy), or set "ip" in daemon.json as the default. In a pod, replace hostPort by a service.',
  references: ['https://docs.docker.com/engine/network/port-publishing/'],
  judges: 'container',
  needs: [],
  judge: (container) => {
    if (usesHostNetwork(container)) return notApplicable('the container uses the host network and publishes no ports');
    const ports = publishedPorts(container.declared);
    const open = ports.filter(({ hostIps }) => hostIps.some(isAnyAddress));
    const evidence = {
      source: sourceOf(container, 'ports'),
      seen: quoteList(
        (open.length > 0 ? open : ports).map(
          ({ label, hostIps }) => `${hostIps.map(addressWord).join(' and ')}:${label}`,
        ),
      ),
      expected: 'a specific address',
    };
    return open.length > 0
      ? fail('published ports are reachable on every network of the host', evidence)
      : pass(evidence);
  },
});

/** The IPv4 or IPv6 wildcard in any spelling; empty: the engine took its default. */
function isAnyAddress(address: string): boolean {
  return address === '0.0.0.0' || /^\[?[0:]*\]?$/.test(address);
}

function addressWord(address: string): string {
  if (address === '') return '*';
  return address.includes(':') && !address.startsWith('[') ? `[${address}]` : address;
}
