import t from 'tap';
import { pidsLimit } from '../../../../posture/check/container/pids-limit.ts';
import { absent, seen, unreadable } from '../../../../posture/observed.ts';
import { judgeContainers } from '../../../fixture/verdict-table.ts';

const file = '/sys/fs/cgroup/system.slice/docker-34d9.scope/pids.max';

judgeContainers(t, pidsLimit, [
  { name: 'the default container', verdict: 'fail', seen: ['no limit', 'no limit asked for'] },
  { name: '-1 is no limit', container: { declared: { pidsLimit: -1 } }, verdict: 'fail' },
  {
    name: 'asked for',
    container: { declared: { pidsLimit: 50 }, pidsMax: seen(50, file) },
    verdict: 'pass',
    seen: ['50 processes', '50 processes'],
  },
  {
    name: 'a limit of the pod',
    container: { pidsMax: seen(4096, '/sys/fs/cgroup/kubepods.slice/pids.max') },
    verdict: 'pass',
  },
  {
    name: 'as many as the machine has numbers for',
    container: { pidsMax: seen(32768, file) },
    verdict: 'fail',
    seen: ['32768 processes', 'the host has 32768 processes', 'no limit asked for'],
  },
  { name: 'asked for, but not in force', container: { declared: { pidsLimit: 50 } }, verdict: 'fail' },
  { name: 'no pids controller', container: { pidsMax: absent(file) }, verdict: 'fail' },
  {
    name: 'not readable',
    container: { declared: { pidsLimit: 50 }, pidsMax: unreadable(file, 'permission denied (EACCES)') },
    verdict: 'unknown',
  },
]);
