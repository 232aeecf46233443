import { sourceOf } from '../../fact/container.ts';
import { fail, failAs, notApplicable, pass } from '../../verdict.ts';
import { containerCheck } from '../check.ts';
import { quote } from '../evidence-text.ts';

export const health = containerCheck({
  id: 'container.health',
  title: 'Health check is defined and not failing',
  failTitle: 'Health check is missing or failing',
  judgedBy: 'effect',
  severity: 'medium',
  severityLevels: [
    { severity: 'medium', when: 'the container is unhealthy' },
    { severity: 'low', when: 'no health check is defined' },
  ],
  rationale:
    'The engine considers a process healthy while it runs, even if it does not answer. Only a health check detects the difference.',
  remediation:
    "Define HEALTHCHECK in the image or start the container with --health-cmd. If it is unhealthy, read why: docker inspect --format '{{json .State.Health.Log}}' CONTAINER.",
  references: ['https://docs.docker.com/reference/dockerfile/#healthcheck'],
  judges: 'container',
  needs: [],
  judge: (container) => {
    const { declared, podUid } = container;
    if (podUid !== '') return notApplicable('the probes of the pod test the health of this container');
    const evidence = { source: sourceOf(container, 'health'), seen: quote(declared.health), expected: 'healthy' };
    if (declared.health === 'unhealthy') return fail('the health check of the container fails', evidence);
    return declared.health === 'healthy' || declared.health === 'starting'
      ? pass(evidence)
      : failAs('low', 'nothing tests whether the container works', evidence);
  },
});
