import { manual } from '../../verdict.ts';
import { swarmCheck } from './swarm-check.ts';

export const dataPath = swarmCheck({
  id: 'swarm.data-path',
  title: 'Swarm separates management and application traffic',
  failTitle: 'Swarm mixes management and application traffic',
  severity: 'info',
  rationale:
    'Containers that are loud or attacked share the network with the managers, unless the data path has an interface of its own. No API says which address carries the data path.',
  remediation:
    'Join nodes with --advertise-addr and --data-path-addr on different interfaces; ip -d link show type vxlan shows the address in the namespaces below /run/docker/netns.',
  reference: 'https://docs.docker.com/reference/cli/docker/swarm/init/#data-path-addr',
  judge: ({ swarm }) =>
    manual('which address carries the data path is known to whoever set it up', {
      source: 'GET /info Swarm.NodeAddr',
      seen: swarm.nodeAddress,
      expected: 'another interface for the data path',
    }),
});
