import t from 'tap';
import { memoryLimit } from '../../../../posture/check/container/memory-limit.ts';
import { absent, seen, unreadable } from '../../../../posture/observed.ts';
import { nodeFact } from '../../../fixture/facts.ts';
import { judgeContainers } from '../../../fixture/verdict-table.ts';

const file = '/sys/fs/cgroup/system.slice/docker-34d9.scope/memory.max';

judgeContainers(t, memoryLimit, [
  { name: 'the default container', verdict: 'fail', seen: ['no limit', 'no limit asked for'] },
  {
    name: 'asked for',
    container: { declared: { memoryBytes: 67108864 }, memoryMaxBytes: seen(67108864, file) },
    verdict: 'pass',
    seen: ['67108864 bytes', '67108864 bytes'],
  },
  {
    name: 'a limit of the cgroup above',
    container: { memoryMaxBytes: seen(1073741824, '/sys/fs/cgroup/shop.slice/memory.max') },
    verdict: 'pass',
    seen: ['1073741824 bytes', 'no limit asked for'],
  },
  {
    name: 'asked for, but not in force',
    container: { declared: { memoryBytes: 67108864 } },
    verdict: 'fail',
    seen: ['no limit', '67108864 bytes'],
  },
  {
    name: 'more than the machine has',
    container: { declared: { memoryBytes: 966367641600 }, memoryMaxBytes: seen(966367641600, file) },
    facts: { node: nodeFact({ memoryBytes: 8589934592 }) },
    verdict: 'fail',
    seen: ['966367641600 bytes', 'the host has 8589934592 bytes', '966367641600 bytes'],
  },
  {
    name: 'the memory of the machine is not known',
    container: { memoryMaxBytes: seen(67108864, file) },
    facts: { node: nodeFact({ memoryBytes: 0 }) },
    verdict: 'unknown',
  },
  {
    name: 'no memory controller',
    container: { declared: { memoryBytes: 67108864 }, memoryMaxBytes: absent(file) },
    verdict: 'fail',
    seen: ['absent: no memory controller here', '67108864 bytes'],
  },
  {
    name: 'not readable',
    container: { declared: { memoryBytes: 67108864 }, memoryMaxBytes: unreadable(file, 'permission denied (EACCES)') },
    verdict: 'unknown',
    reason: /permission denied/,
  },
  {
    name: 'ended during inspection',
    container: {
      memoryMaxBytes: absent('/proc/4121/cgroup'),
      capabilities: absent('/proc/4121/status'),
      seccomp: absent('/proc/4121/status'),
      mounts: absent('/proc/4121/mountinfo'),
    },
    verdict: 'unknown',
    reason: /ended/,
  },
]);
