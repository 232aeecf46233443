import { sourceOf } from '../../fact/container.ts';
import { fail, notApplicable, pass } from '../../verdict.ts';
import { containerCheck } from '../check.ts';
import { quote } from '../evidence-text.ts';
import { parameterized } from '../parameter.ts';

/** Another start does not repair a service that failed this many times consecutively. */
const PARAMETERS = { maxAttempts: { doc: 'starts after a failure', default: 5, minimum: 1, maximum: 100 } };

export const restartPolicy = parameterized(PARAMETERS, ({ maxAttempts }) =>
  containerCheck({
    id: 'container.restart-policy',
    title: `Restart attempts are limited to ${String(maxAttempts)}`,
    failTitle: `Restart attempts are not limited to ${String(maxAttempts)}`,
    judgedBy: 'configuration',
    severity: 'low',
    rationale:
      'A service that fails at every start and is restarted without end hides the defect and keeps the host busy. Each restart also repeats an attack that crashes it.',
    remediation: `Use --restart on-failure:${String(maxAttempts)}, and let monitoring report a container that stays down. One that ends with status 0 when the host or dockerd stops is then not started again: let a unit of systemd or an orchestrator start it, and enable live-restore.`,
    references: ['https://docs.docker.com/engine/containers/start-containers-automatically/'],
    judges: 'container',
    needs: [],
    judge: (container) => {
      const { declared, podUid } = container;
      if (podUid !== '') return notApplicable('the kubelet restarts this container');
      const { restartPolicy: name, restartMaximum } = declared;
      const isBounded = name === 'on-failure' && restartMaximum >= 1 && restartMaximum <= maxAttempts;
      const evidence = {
        source: sourceOf(container, 'restartPolicy'),
        seen: name === 'on-failure' ? `on-failure:${String(restartMaximum)}` : name === '' ? 'no' : quote(name),
        expected: `no, or on-failure with 1 to ${String(maxAttempts)} attempts`,
      };
      return isBounded || name === 'no' || name === ''
        ? pass(evidence)
        : fail(`the engine restarts the container more than ${String(maxAttempts)} times`, evidence);
    },
  }),
);
