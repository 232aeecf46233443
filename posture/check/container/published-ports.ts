import { sourceOf } from '../../fact/container.ts';
import { fail, notApplicable, pass, unknownBecause } from '../../verdict.ts';
import { containerCheck } from '../check.ts';
import { quoteList } from '../evidence-text.ts';
import { usesHostNetwork } from '../published-port.ts';

export const publishedPortsExposed = containerCheck({
  id: 'container.published-ports',
  title: 'Published ports are those that the image exposes',
  failTitle: 'A port is published that the image does not expose',
  judgedBy: 'configuration',
  severity: 'low',
  rationale:
    'The image says with EXPOSE which ports its program serves. Another published port is a debugger, an administration page or a mistake, reachable from the network of the host.',
  remediation:
    'Remove the -p option, or bind it to 127.0.0.1. If the program serves the port on purpose, add EXPOSE to the image.',
  references: [
    'https://docs.docker.com/reference/dockerfile/#expose',
    'https://docs.docker.com/engine/network/port-publishing/',
  ],
  judges: 'container',
  needs: ['images'],
  judge: (container, { images }) => {
    if (usesHostNetwork(container))
      return notApplicable(
        'the container uses the host network and publishes nothing: container.host-network judges it',
      );
    const published = [...new Set(container.declared.ports.map(({ containerPort }) => containerPort))];
    const asked = { source: sourceOf(container, 'ports'), seen: quoteList(published), expected: 'ports of EXPOSE' };
    if (published.length === 0) return pass(asked);
    if (images.state !== 'seen')
      return unknownBecause(`${images.source}: ${images.state === 'unreadable' ? images.reason : 'absent'}`, asked);
    // The container's own list is no proof: publishing a port adds it there.
    const exposed = images.value.find(({ id }) => id === container.imageId)?.exposedPorts;
    if (exposed?.state !== 'seen') return unknownBecause('which ports the image exposes is not known', asked);
    const other = published.filter((port) => !exposed.value.includes(port));
    const evidence = {
      source: `image ${exposed.source}`,
      seen: quoteList(exposed.value),
      expected: quoteList(published),
    };
    return other.length === 0 ? pass(evidence, asked) : fail(`${quoteList(other)} is published`, evidence, asked);
  },
});
