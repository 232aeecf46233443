import t from 'tap';
import { hostCgroupNamespace } from '../../../../posture/check/container/host-cgroup-namespace.ts';
import { absent, unreadable } from '../../../../posture/observed.ts';
import { namespaceOf } from '../../../fixture/container.ts';
import { judgeContainers } from '../../../fixture/verdict-table.ts';

const own = namespaceOf('cgroup', 4026532999, false);
const node = namespaceOf('cgroup', 4026531835, true);
const hidden = unreadable('/proc/4121/ns/cgroup', 'permission denied (EACCES)');

judgeContainers(t, hostCgroupNamespace, [
  {
    name: 'its own',
    container: { namespaces: { cgroup: own }, declared: { cgroupnsMode: 'private' } },
    verdict: 'pass',
    seen: ['cgroup:[4026532999]', 'private'],
  },
  {
    name: 'asked for',
    container: { namespaces: { cgroup: node }, declared: { cgroupnsMode: 'host' } },
    verdict: 'fail',
    seen: ['cgroup:[4026531835], the one of pid 1', 'host'],
  },
  {
    name: 'through another container that has it',
    container: { namespaces: { cgroup: node }, declared: { cgroupnsMode: 'container:25a3780f7fb6' } },
    verdict: 'fail',
    seen: ['cgroup:[4026531835], the one of pid 1', 'container:25a3780f7fb6'],
  },
  {
    name: 'that of another container',
    container: { namespaces: { cgroup: own }, declared: { cgroupnsMode: 'container:25a3780f7fb6' } },
    verdict: 'pass',
  },
  {
    name: 'nothing asked for, but the kernel says so',
    container: { namespaces: { cgroup: node }, declared: { cgroupnsMode: '' } },
    verdict: 'fail',
    seen: ['cgroup:[4026531835], the one of pid 1', 'nothing asked for'],
  },
  {
    name: 'not readable, but asked for',
    container: { namespaces: { cgroup: hidden }, declared: { cgroupnsMode: 'host' } },
    verdict: 'fail',
    seen: ['host'],
  },
  {
    name: 'not readable',
    container: { namespaces: { cgroup: hidden }, declared: { cgroupnsMode: 'private' } },
    verdict: 'unknown',
    reason: /permission denied/,
  },
  {
    name: 'a kernel without them',
    container: { namespaces: { cgroup: absent('/proc/4121/ns/cgroup') }, declared: { cgroupnsMode: '' } },
    verdict: 'notApplicable',
    reason: /has no cgroup namespaces/,
  },
]);
