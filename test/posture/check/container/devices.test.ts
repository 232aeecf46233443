import t from 'tap';
import { devices } from '../../../../posture/check/container/devices.ts';
import { judgeContainers } from '../../../fixture/verdict-table.ts';

judgeContainers(t, devices, [
  { name: 'none', verdict: 'pass', seen: ['none'] },
  { name: 'a tunnel', container: { declared: { devices: ['/dev/net/tun'] } }, verdict: 'fail', seen: ['/dev/net/tun'] },
  { name: 'a disk', container: { declared: { devices: ['/dev/sda1'] } }, verdict: 'fail', severity: 'high' },
  { name: 'memory', container: { declared: { devices: ['/dev/mem'] } }, verdict: 'fail', severity: 'high' },
  { name: 'a graphics card', container: { declared: { deviceRequests: 1 } }, verdict: 'fail', seen: ['1 requested'] },
  { name: 'one kind by rule', container: { declared: { deviceCgroupRules: ['c 10:200 rwm'] } }, verdict: 'fail' },
  {
    name: 'every device by rule',
    container: { declared: { deviceCgroupRules: ['a *:* rwm'] } },
    verdict: 'fail',
    severity: 'high',
  },
  {
    name: 'privileged lists none and has all',
    container: { declared: { privileged: true } },
    verdict: 'fail',
    severity: 'high',
    seen: ['declared privileged, so all devices'],
  },
]);
