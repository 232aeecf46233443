import { ok, unknown, warning } from '../../service/diagnostic.ts';
import type { NodeDiagnostic, NodeSubject } from './node-subject.ts';

/** Are control groups mounted? Processes are told to belong to containers by them. */
export const cgroupVersion: NodeDiagnostic = Object.freeze({
  id: 'node.cgroups',
  group: 'node',
  title: 'control groups',
  run: async ({ kernel }: NodeSubject) => {
    const { cgroupVersion: version } = await kernel();
    if (version.state !== 'seen')
      return unknown(
        `${version.source}: ${version.state === 'unreadable' ? version.reason : 'not there'}`,
        'limits of containers cannot be read: mount /sys/fs/cgroup (in a container: of the host)',
      );
    const seen = `version ${String(version.value)}, at ${version.source}`;
    return version.value >= 2 ? ok(seen) : warning(seen, 'plimsoll explain kernel.cgroup-version');
  },
});
