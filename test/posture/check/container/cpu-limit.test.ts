import t from 'tap';
import { cpuLimit } from '../../../../posture/check/container/cpu-limit.ts';
import { absent, seen, unreadable } from '../../../../posture/observed.ts';
import { nodeFact } from '../../../fixture/facts.ts';
import { judgeContainers } from '../../../fixture/verdict-table.ts';

const machine = { node: nodeFact({ cpus: 4 }) };
const file = '/sys/fs/cgroup/docker/c1/cpu.max';

/** What the cgroup of a container gets. */
const cgroup = (maxMillicores: number, weightPermille = 1000, processors = 4) => ({
  maxMillicores: seen(maxMillicores, file),
  weightPermille: seen(weightPermille, '/sys/fs/cgroup/docker/c1/cpu.weight'),
  processors: seen(processors, '/sys/fs/cgroup/docker/c1/cpuset.cpus.effective'),
});
const NOT_SET = 'CpuShares, NanoCpus, CpuQuota and CpusetCpus are not set';

judgeContainers(t, cpuLimit, [
  {
    name: 'the default container',
    facts: machine,
    verdict: 'fail',
    seen: ['no quota', '100 % of the default weight', '4 processors', NOT_SET],
  },
  {
    name: 'a quota',
    container: { cpu: cgroup(500), declared: { nanoCpus: 500_000_000 } },
    facts: machine,
    verdict: 'pass',
    seen: ['0.5 processors', 'NanoCpus 500000000'],
  },
  {
    name: 'a quota of the pod above it',
    container: { cpu: cgroup(3999) },
    facts: machine,
    verdict: 'pass',
    seen: ['3.999 processors', NOT_SET],
  },
  {
    name: 'a weight',
    container: { cpu: cgroup(-1, 500), declared: { cpuShares: 512 } },
    facts: machine,
    verdict: 'pass',
    seen: ['50 % of the default weight', 'CpuShares 512'],
  },
  { name: 'some processors', container: { cpu: cgroup(-1, 1000, 2) }, facts: machine, verdict: 'pass' },
  {
    name: 'no cpuset controller',
    container: { cpu: cgroup(-1, 1000, -1) },
    facts: machine,
    verdict: 'fail',
    seen: ['no quota', '100 % of the default weight', 'all processors', NOT_SET],
  },
  { name: 'a quota of all processors', container: { cpu: cgroup(4000) }, facts: machine, verdict: 'fail' },
  {
    name: 'a declared quota of all processors',
    container: { cpu: cgroup(4000), declared: { nanoCpus: 4_000_000_000 } },
    facts: machine,
    verdict: 'fail',
    reason: /^the declared CPU limit is not lower than the CPUs of the host$/,
  },
  {
    name: 'declared, and not in force',
    container: { cpu: cgroup(-1), declared: { nanoCpus: 500_000_000 } },
    facts: machine,
    verdict: 'fail',
    reason: /^the declared CPU limit is not in force$/,
    seen: ['no quota', '100 % of the default weight', '4 processors', 'NanoCpus 500000000', '4 processors'],
  },
  {
    name: 'not readable',
    container: { cpu: { ...cgroup(-1), maxMillicores: unreadable(file, 'permission denied (EACCES)') } },
    facts: machine,
    verdict: 'unknown',
    reason: /permission denied/,
  },
  {
    name: 'one not readable, another in force',
    container: { cpu: { ...cgroup(-1, 500), maxMillicores: unreadable(file, 'permission denied (EACCES)') } },
    facts: machine,
    verdict: 'pass',
  },
  {
    name: 'it is not known how many processors the host has',
    container: { cpu: cgroup(64_000) },
    facts: { node: nodeFact({ cpus: 0 }) },
    verdict: 'pass',
  },
]);

/** A container that does not run has no cgroup: it is judged by what was declared. */
const none = absent('inspect State.Status');
const created = { maxMillicores: none, weightPermille: none, processors: none };

judgeContainers(
  t,
  cpuLimit,
  (
    [
      ['nothing', {}, 'fail'],
      ['the default share by name', { cpuShares: 1024 }, 'fail'],
      ['a quota of -1', { cpuQuota: -1 }, 'fail'],
      ['a share', { cpuShares: 512 }, 'pass'],
      ['--cpus 0.5', { nanoCpus: 500_000_000 }, 'pass'],
      ['a quota', { cpuQuota: 50_000 }, 'pass'],
      ['a set', { cpusetCpus: '0-1' }, 'pass'],
      ['all processors', { cpusetCpus: '0-3' }, 'fail'],
      ['a list of all', { cpusetCpus: '0,1,2,3' }, 'fail'],
      ['two ranges of all', { cpusetCpus: '0-1,2-3' }, 'fail'],
      ['more than all', { cpusetCpus: '0-4095' }, 'fail'],
      ['a quota of all', { cpuQuota: 400_000 }, 'fail'],
      ['a quota of all in a short period', { cpuQuota: 200_000, cpuPeriod: 50_000 }, 'fail'],
      ['--cpus of all', { nanoCpus: 4_000_000_000 }, 'fail'],
      ['all, but a part of their time', { cpusetCpus: '0-3', nanoCpus: 500_000_000 }, 'pass'],
    ] as const
  ).map(([name, declared, verdict]) => ({
    name: `does not run: ${name}`,
    container: { cpu: created, declared },
    facts: machine,
    verdict,
  })),
);
