import { fail, notApplicable, pass, unknownBecause } from '../../verdict.ts';
import { unseenReason } from '../daemon/setting.ts';
import { quoteList } from '../evidence-text.ts';
import { swarmCheck } from './swarm-check.ts';

export const serviceSecrets = swarmCheck({
  id: 'swarm.service-secrets',
  title: 'Services have no secrets in their environment',
  failTitle: 'Services have secrets in their environment',
  severity: 'medium',
  rationale:
    'An environment variable of a service is in the state of each manager, in docker service inspect and in each container. Secrets of the swarm are encrypted and only given to the tasks that need them.',
  remediation:
    'Create a secret (docker secret create NAME FILE), give it to the service with --secret, read it from /run/secrets/NAME, and change the value that was in the environment.',
  reference: 'https://docs.docker.com/engine/swarm/secrets/',
  judge: ({ swarm: { serviceSecrets: found, isManager } }) => {
    if (!isManager) return notApplicable('a worker: its managers know the services');
    if (found.state !== 'seen') return unknownBecause(unseenReason(found));
    const names = found.value.map(({ service, variables }) => `${service}: ${variables.join(', ')}`);
    const evidence = { source: found.source, seen: quoteList(names), expected: 'no variable with a secret' };
    return names.length === 0
      ? pass(evidence)
      : fail(`${String(names.length)} services have secrets in variables`, evidence);
  },
});
