import t from 'tap';
import { cgroupParent } from '../../../../posture/check/container/cgroup-parent.ts';
import { seen, unreadable } from '../../../../posture/observed.ts';
import { CONTAINER_ID } from '../../../fixture/container.ts';
import { judgeContainers } from '../../../fixture/verdict-table.ts';

judgeContainers(t, cgroupParent, [
  { name: 'not set', verdict: 'pass', seen: ['/sys/fs/cgroup/pids/docker', 'not set'] },
  {
    name: 'not set, below the slice of the systemd driver',
    container: { processes: seen(1, `/sys/fs/cgroup/system.slice/docker-${CONTAINER_ID}.scope/cgroup.procs`) },
    verdict: 'pass',
  },
  {
    name: 'not set, but the daemon has a parent of its own',
    container: { processes: seen(1, `/sys/fs/cgroup/shop/${CONTAINER_ID}/cgroup.procs`) },
    verdict: 'fail',
    seen: ['/sys/fs/cgroup/shop', 'not set'],
  },
  {
    name: 'not set, and the cgroup not seen',
    container: { processes: unreadable('/proc/4121/cgroup', 'permission denied (EACCES)') },
    verdict: 'unknown',
    reason: /could not be read/,
  },
  { name: 'set', container: { declared: { cgroupParent: '/system.slice' } }, verdict: 'fail', seen: ['/system.slice'] },
  {
    name: 'a pod',
    container: { podUid: '7f3e', declared: { cgroupParent: '/kubepods/burstable/pod7f3e' } },
    verdict: 'notApplicable',
  },
]);
