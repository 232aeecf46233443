import { sourceOf } from '../../fact/container.ts';
import { absent, seen as observedAs } from '../../observed.ts';
import { containerCheck } from '../check.ts';
import { judgeLimit } from '../limit.ts';

export const memoryLimit = containerCheck({
  id: 'container.memory-limit',
  title: 'Memory of the container is limited',
  failTitle: 'Memory of the container is not limited',
  judgedBy: 'effect',
  severity: 'medium',
  rationale:
    'A container without a limit can use up the memory of the host. The kernel then kills processes of others.',
  remediation:
    'Start the container with --memory, or place it below a cgroup that has a limit. In a pod, set resources.limits.memory.',
  references: [
    'https://docs.docker.com/engine/containers/resource_constraints/#memory',
    'https://docs.kernel.org/admin-guide/cgroup-v2.html#memory',
  ],
  judges: 'container',
  needs: ['node'],
  judge: (container, { node }) => {
    const { memoryBytes } = container.declared;
    const seen = memoryBytes > 0 ? `${String(memoryBytes)} bytes` : 'no limit asked for';
    return judgeLimit(container, container.memoryMaxBytes, {
      unit: 'bytes',
      controller: 'memory',
      machine: node.memoryBytes > 0 ? observedAs(node.memoryBytes, '/proc/meminfo') : absent('/proc/meminfo'),
      declared: { source: sourceOf(container, 'memoryBytes'), seen, expected: 'a limit' },
    });
  },
});
