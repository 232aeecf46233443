import { fail, pass, unknownBecause } from '../../verdict.ts';
import { unseenReason } from '../daemon/setting.ts';
import { quoteList } from '../evidence-text.ts';
import { swarmCheck } from './swarm-check.ts';

export const overlayEncryption = swarmCheck({
  id: 'swarm.overlay-encryption',
  title: 'Traffic of overlay networks is encrypted',
  failTitle: 'Overlay networks send traffic in clear text',
  severity: 'medium',
  rationale:
    'Traffic between containers on different nodes goes over the network of the hosts as VXLAN, which anyone on the way can read and change.',
  remediation:
    'Create the network again with --opt encrypted and update its services to it. The network ingress can be replaced only after every service that publishes ports is removed, and their ports are down meanwhile: docker network rm ingress, then docker network create --ingress --driver overlay --opt encrypted ingress.',
  reference: 'https://docs.docker.com/engine/network/drivers/overlay/#encryption',
  judge: ({ swarm: { overlays } }) => {
    if (overlays.state !== 'seen') return unknownBecause(unseenReason(overlays));
    const clear = overlays.value.filter(({ encrypted }) => !encrypted);
    const names = clear.map(({ name, ingress }) => (ingress ? `${name} (of the swarm itself)` : name));
    const evidence = {
      source: overlays.source,
      seen: clear.length === 0 ? `${String(overlays.value.length)} networks, all encrypted` : quoteList(names),
      expected: 'the option encrypted on each overlay network',
    };
    return clear.length === 0 ? pass(evidence) : fail(`${String(clear.length)} networks are not encrypted`, evidence);
  },
});
