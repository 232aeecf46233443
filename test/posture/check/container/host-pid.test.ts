import t from 'tap';
import { hostPid } from '../../../../posture/check/container/host-pid.ts';
import { absent, unreadable } from '../../../../posture/observed.ts';
import { namespaceOf } from '../../../fixture/container.ts';
import { judgeContainers } from '../../../fixture/verdict-table.ts';

const own = namespaceOf('pid', 4026532999, false);
const node = namespaceOf('pid', 4026531836, true);
const hidden = unreadable('/proc/4121/ns/pid', 'permission denied (EACCES)');

judgeContainers(t, hostPid, [
  {
    name: 'its own',
    container: { namespaces: { pid: own }, declared: { pidMode: 'private' } },
    verdict: 'pass',
    seen: ['pid:[4026532999]', 'private'],
  },
  {
    name: 'asked for',
    container: { namespaces: { pid: node }, declared: { pidMode: 'host' } },
    verdict: 'fail',
    seen: ['pid:[4026531836], the one of pid 1', 'host'],
  },
  {
    name: 'through another container that has it',
    container: { namespaces: { pid: node }, declared: { pidMode: 'container:25a3780f7fb6' } },
    verdict: 'fail',
    seen: ['pid:[4026531836], the one of pid 1', 'container:25a3780f7fb6'],
  },
  {
    name: 'that of another container',
    container: { namespaces: { pid: own }, declared: { pidMode: 'container:25a3780f7fb6' } },
    verdict: 'pass',
  },
  {
    name: 'nothing asked for, but the kernel says so',
    container: { namespaces: { pid: node }, declared: { pidMode: '' } },
    verdict: 'fail',
    seen: ['pid:[4026531836], the one of pid 1', 'nothing asked for'],
  },
  {
    name: 'not readable, but asked for',
    container: { namespaces: { pid: hidden }, declared: { pidMode: 'host' } },
    verdict: 'fail',
    seen: ['host'],
  },
  {
    name: 'not readable',
    container: { namespaces: { pid: hidden }, declared: { pidMode: 'private' } },
    verdict: 'unknown',
    reason: /permission denied/,
  },
  {
    name: 'a kernel without them',
    container: { namespaces: { pid: absent('/proc/4121/ns/pid') }, declared: { pidMode: '' } },
    verdict: 'notApplicable',
    reason: /has no pid namespaces/,
  },
]);

const gone = absent('/proc/4121/ns');
judgeContainers(t, hostPid, [
  {
    name: 'ended during inspection',
    container: { namespaces: { cgroup: gone, ipc: gone, mnt: gone, net: gone, pid: gone, user: gone, uts: gone } },
    verdict: 'unknown',
    reason: /ended while it was inspected/,
  },
]);
