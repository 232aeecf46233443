import t from 'tap';
import { cpuLimit } from '../../../../posture/check/container/cpu-limit.ts';
import { nodeFact } from '../../../fixture/facts.ts';
import { judgeContainers } from '../../../fixture/verdict-table.ts';

const machine = { node: nodeFact({ cpus: 4 }) };

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
  {
    name: 'a quota',
    container: { declared: { cpuQuota: 50000 } },
    verdict: 'pass',
    seen: ['CpuQuota 50000 of 100000'],
  },
  {
    name: 'a set',
    container: { declared: { cpusetCpus: '0-1' } },
    facts: machine,
    verdict: 'pass',
    seen: ['CpusetCpus 0-1'],
  },
  ...[
    { cpusetCpus: '0-3' },
    { cpusetCpus: '0,1,2,3' },
    { cpusetCpus: '0-1,2-3' },
    { cpusetCpus: '0-4095' },
    { nanoCpus: 4_000_000_000 },
    { cpuQuota: 400_000 },
    { cpuQuota: 200_000, cpuPeriod: 50_000 },
  ].map((declared) => ({
    name: `all processors: ${JSON.stringify(declared)}`,
    container: { declared },
    facts: machine,
    verdict: 'fail' as const,
  })),
  {
    name: 'all processors, but a part of their time',
    container: { declared: { cpusetCpus: '0-3', nanoCpus: 500_000_000 } },
    facts: machine,
    verdict: 'pass',
  },
]);
