import { fail, failAs, notApplicable, pass } from '../../verdict.ts';
import { containerCheck } from '../check.ts';
import { quote } from '../evidence-text.ts';

export const health = containerCheck({
  id: 'container.health',
  title: 'The health of every container is tested, and is good',
  severity: 'low',
  rationale:
    'A process that runs but answers nothing looks well to the engine; only a health check tells the difference.',
  remediation:
    'Define HEALTHCHECK in the image or start the container with --health-cmd. Where it is unhealthy, read its log with docker inspect.',
  references: ['https://docs.docker.com/reference/dockerfile/#healthcheck'],
  judges: 'container',
  needs: [],
  judge: ({ declared, podUid }) => {
    if (podUid !== '') return notApplicable('the probes of the pod test the health of this container');
    const evidence = { source: 'inspect State.Health.Status', seen: quote(declared.health), expected: 'healthy' };
    if (declared.health === 'unhealthy') return failAs('medium', evidence);
    return declared.health === 'healthy' || declared.health === 'starting' ? pass(evidence) : fail(evidence);
  },
});
