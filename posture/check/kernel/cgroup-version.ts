import { fail, pass, unknownBecause } from '../../verdict.ts';
import { nodeCheck } from '../check.ts';

export const cgroupVersion = nodeCheck({
  id: 'kernel.cgroup-version',
  title: 'Host uses cgroup v2',
  failTitle: 'Host uses cgroup v1',
  judgedBy: 'effect',
  severity: 'low',
  rationale:
    'cgroup v1 has release_agent: a container that may mount a cgroup file system makes the kernel run a program as root of the host. v2 has no such file, and has better memory limits and delegation.',
  remediation:
    'Boot with systemd.unified_cgroup_hierarchy=1 (or cgroup_no_v1=all) on a distribution that supports it, and restart the runtime.',
  references: ['https://docs.kernel.org/admin-guide/cgroup-v2.html'],
  judges: 'node',
  needs: ['kernel'],
  judge: ({ kernel: { cgroupVersion: version } }) => {
    if (version.state === 'unreadable') return unknownBecause(`${version.source}: ${version.reason}`);
    if (version.state === 'absent') return unknownBecause(`${version.source}: no control groups are mounted`);
    const evidence = { source: version.source, seen: `version ${String(version.value)}`, expected: 'version 2' };
    return version.value >= 2
      ? pass(evidence)
      : fail('a container that mounts a cgroup file system can run programs on the host', evidence);
  },
});
