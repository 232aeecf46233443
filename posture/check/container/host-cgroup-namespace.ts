import { containerCheck } from '../check.ts';
import { judgeNamespace } from '../namespace.ts';

export const hostCgroupNamespace = containerCheck({
  id: 'container.host-cgroup-namespace',
  title: 'Every container has a cgroup namespace of its own',
  severity: 'low',
  rationale:
    "In the node's cgroup namespace a container sees the cgroup paths of all others and, with a writable cgroup mount, can act outside its own group.",
  remediation:
    'Start the container with --cgroupns private, or set "default-cgroupns-mode": "private" in daemon.json. On cgroup v2 that is the default.',
  references: ['https://man7.org/linux/man-pages/man7/cgroup_namespaces.7.html'],
  judges: 'container',
  needs: [],
  judge: (container) =>
    judgeNamespace(container, { name: 'cgroup', field: 'CgroupnsMode', mode: container.declared.cgroupnsMode }),
});
