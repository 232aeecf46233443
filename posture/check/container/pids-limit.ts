import { sourceOf } from '../../fact/container.ts';
import { absent, mapObserved } from '../../observed.ts';
import { containerCheck } from '../check.ts';
import { judgeLimit } from '../limit.ts';

export const pidsLimit = containerCheck({
  id: 'container.pids-limit',
  title: 'Number of processes is limited',
  failTitle: 'Number of processes is not limited',
  judgedBy: 'effect',
  severity: 'medium',
  rationale:
    'A fork bomb in a container without a limit uses up all process ids of the host. Then no process can be started there to stop it.',
  remediation: 'Start the container with --pids-limit, 200 for example; on Kubernetes set podPidsLimit of the kubelet.',
  references: [
    'https://docs.docker.com/reference/cli/docker/container/run/#pids-limit',
    'https://docs.kernel.org/admin-guide/cgroup-v2.html#pid',
  ],
  judges: 'container',
  needs: ['kernel'],
  judge: (container, { kernel }) => {
    const { pidsLimit: asked } = container.declared;
    const seen = asked > 0 ? `${String(asked)} processes` : 'no limit asked for';
    return judgeLimit(container, container.pidsMax, {
      unit: 'processes',
      controller: 'pids',
      machine: mapObserved(kernel.sysctls['kernel.pid_max'] ?? absent('/proc/sys/kernel/pid_max'), Number),
      declared: { source: sourceOf(container, 'pidsLimit'), seen, expected: 'a limit' },
    });
  },
});
