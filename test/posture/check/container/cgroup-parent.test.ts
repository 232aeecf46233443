import t from 'tap';
import { cgroupParent } from '../../../../posture/check/container/cgroup-parent.ts';
import { judgeContainers } from '../../../fixture/verdict-table.ts';

judgeContainers(t, cgroupParent, [
  { name: 'not set', verdict: 'pass', seen: ['not set'] },
  { name: 'set', container: { declared: { cgroupParent: '/system.slice' } }, verdict: 'fail', seen: ['/system.slice'] },
  {
    name: 'a pod',
    container: { podUid: '7f3e', declared: { cgroupParent: '/kubepods/burstable/pod7f3e' } },
    verdict: 'notApplicable',
  },
]);
