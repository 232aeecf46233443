import { containerCheck } from '../check.ts';
import { judgeNamespace } from '../namespace.ts';

export const hostCgroupNamespace = containerCheck({
  id: 'container.host-cgroup-namespace',
  title: 'Container does not share the host cgroup namespace',
  failTitle: 'Container shares the host cgroup namespace',
  judgedBy: 'effect',
  severity: 'low',
  rationale:
    'In the cgroup namespace of the host a container sees the cgroup paths of all others. With a writable cgroup mount it can act outside its own cgroup.',
  remediation:
    'Start the container with --cgroupns private, or set "default-cgroupns-mode": "private" in daemon.json. On cgroup v2 that is the default.',
  references: ['https://man7.org/linux/man-pages/man7/cgroup_namespaces.7.html'],
  judges: 'container',
  ownKernel: 'notApplicable',
  needs: [],
  judge: (container) =>
    judgeNamespace(container, { name: 'cgroup', field: 'cgroupnsMode', mode: container.declared.cgroupnsMode }),
});
