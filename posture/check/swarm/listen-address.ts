import { fail, notApplicable, pass, unknownBecause } from '../../verdict.ts';
import { unseenReason } from '../daemon/setting.ts';
import { quoteList } from '../evidence-text.ts';
import { swarmCheck } from './swarm-check.ts';

const MANAGEMENT_PORT = 2377;
const ALL_ADDRESSES: ReadonlySet<string> = new Set(['0.0.0.0', '::']);

export const listenAddress = swarmCheck({
  id: 'swarm.listen-address',
  title: 'Swarm manager listens on one chosen address',
  failTitle: 'Swarm manager listens on all addresses',
  severity: 'medium',
  rationale:
    'Port 2377 accepts new nodes for whoever has a join token. On all addresses it is open to each network of the host, the one of the Internet among them.',
  remediation:
    'Limit the ports 2377, 7946 and UDP 4789 to the nodes of the swarm by a firewall. To change the address itself: with three managers or more demote one, let it leave and join with --listen-addr ADDRESS:2377 of the internal network, promote it, and wait until it is reachable before the next. The only manager must not leave: that destroys the swarm.',
  reference: 'https://docs.docker.com/reference/cli/docker/swarm/init/#listen-addr',
  judge: ({ swarm, docker: { swarmPorts } }) => {
    if (!swarm.isManager) return notApplicable('a worker does not open the management port');
    if (swarmPorts.state !== 'seen') return unknownBecause(unseenReason(swarmPorts));
    const seen = quoteList(swarmPorts.value.map(({ address, port }) => `${address} port ${String(port)}`));
    const evidence = { source: swarmPorts.source, seen, expected: 'port 2377 on one address of the host' };
    const own = swarmPorts.value.filter(({ port }) => port === MANAGEMENT_PORT);
    if (own.length === 0) return unknownBecause('dockerd was not found listening on port 2377', evidence);
    return own.some(({ address }) => ALL_ADDRESSES.has(address))
      ? fail('port 2377 accepts connections on all addresses', evidence)
      : pass(evidence);
  },
});
