import t from 'tap';
import { cpuLimit } from '../../../../posture/check/container/cpu-limit.ts';
import { judgeContainers } from '../../../fixture/verdict-table.ts';

judgeContainers(t, cpuLimit, [
  {
    name: 'the default container',
    verdict: 'fail',
    seen: ['CpuShares, NanoCpus, CpuQuota and CpusetCpus are not set'],
  },
  { name: 'the default share by name', container: { declared: { cpuShares: 1024 } }, verdict: 'fail' },
  { name: 'a quota of -1', container: { declared: { cpuQuota: -1 } }, verdict: 'fail' },
  { name: 'a share', container: { declared: { cpuShares: 512 } }, verdict: 'pass', seen: ['CpuShares 512'] },
  {
    name: '--cpus 0.5',
    container: { declared: { nanoCpus: 500000000 } },
    verdict: 'pass',
    seen: ['NanoCpus 500000000'],
  },
  { name: 'a quota', container: { declared: { cpuQuota: 50000 } }, verdict: 'pass', seen: ['CpuQuota 50000'] },
  { name: 'a set', container: { declared: { cpusetCpus: '0-1' } }, verdict: 'pass', seen: ['CpusetCpus 0-1'] },
]);
