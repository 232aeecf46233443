import { fail, pass, unknownBecause } from '../../verdict.ts';
import { daemonCheck, unseenReason } from './setting.ts';

export const swarm = daemonCheck({
  id: 'daemon.swarm',
  title: 'Swarm mode is off where nobody uses it',
  severity: 'medium',
  rationale:
    'A node in a swarm opens ports for its cluster, and takes containers from every manager: more doors, for nothing where no service runs there.',
  remediation:
    'docker swarm leave, where this node is not meant to be in a swarm; otherwise waive this finding for the swarm nodes.',
  reference: 'https://docs.docker.com/engine/swarm/',
  judge: ({ api }) => {
    if (api.state !== 'seen') return unknownBecause(unseenReason(api));
    const evidence = { source: 'GET /info Swarm.LocalNodeState', seen: api.value.swarm, expected: 'inactive' };
    if (api.value.swarm === '') return unknownBecause('GET /info does not say whether swarm mode is on');
    return api.value.swarm === 'inactive' ? pass(evidence) : fail(evidence);
  },
});
