import { fail, notApplicable, pass } from '../../verdict.ts';
import { containerCheck } from '../check.ts';
import { quote } from '../evidence-text.ts';

/** After so many attempts in a row the fault is not one that another start repairs. */
const MAX_ATTEMPTS = 5;

export const restartPolicy = containerCheck({
  id: 'container.restart-policy',
  title: 'No container is restarted without end',
  severity: 'low',
  rationale:
    'A service that fails at every start and is started again for ever hides the fault and keeps the node busy; each round also repeats an attack that crashes it.',
  remediation: 'Use --restart on-failure:5, and let monitoring tell when a container stays down.',
  references: ['https://docs.docker.com/engine/containers/start-containers-automatically/'],
  judges: 'container',
  needs: [],
  judge: ({ declared, podUid }) => {
    if (podUid !== '') return notApplicable('the kubelet decides when this container is started again');
    const { restartPolicy: name, restartMaximum } = declared;
    const isBounded = name === 'on-failure' && restartMaximum >= 1 && restartMaximum <= MAX_ATTEMPTS;
    const evidence = {
      source: 'inspect HostConfig.RestartPolicy',
      seen: name === 'on-failure' ? `on-failure:${String(restartMaximum)}` : name === '' ? 'no' : quote(name),
      expected: `no, or on-failure with 1 to ${String(MAX_ATTEMPTS)} attempts`,
    };
    return isBounded || name === 'no' || name === '' ? pass(evidence) : fail(evidence);
  },
});
