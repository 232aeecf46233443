import { fail, pass, unknownBecause } from '../../verdict.ts';
import { daemonCheck, unseenReason } from './setting.ts';

export const swarm = daemonCheck({
  id: 'daemon.swarm',
  title: 'Swarm mode is not in use',
  failTitle: 'Swarm mode is in use',
  severity: 'medium',
  rationale:
    'A swarm node opens ports for its cluster and accepts containers from every manager. Without services that attack surface serves no purpose.',
  remediation:
    'Run docker swarm leave if this host should not be in a swarm; otherwise waive this finding for the swarm nodes.',
  reference: 'https://docs.docker.com/engine/swarm/',
  judge: ({ api }) => {
    if (api.state !== 'seen') return unknownBecause(unseenReason(api));
    const evidence = { source: 'GET /info Swarm.LocalNodeState', seen: api.value.swarm, expected: 'inactive' };
    if (api.value.swarm === '') return unknownBecause('GET /info does not say whether swarm mode is on');
    return api.value.swarm === 'inactive'
      ? pass(evidence)
      : fail('the host opens cluster ports and accepts containers from swarm managers', evidence);
  },
});
