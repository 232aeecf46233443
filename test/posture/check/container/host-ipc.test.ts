import t from 'tap';
import { hostIpc } from '../../../../posture/check/container/host-ipc.ts';
import { absent, unreadable } from '../../../../posture/observed.ts';
import { namespaceOf } from '../../../fixture/container.ts';
import { judgeContainers } from '../../../fixture/verdict-table.ts';

const own = namespaceOf('ipc', 4026532999, false);
const node = namespaceOf('ipc', 4026531839, true);
const hidden = unreadable('/proc/4121/ns/ipc', 'permission denied (EACCES)');

judgeContainers(t, hostIpc, [
  {
    name: 'its own',
    container: { namespaces: { ipc: own }, declared: { ipcMode: 'private' } },
    verdict: 'pass',
    seen: ['ipc:[4026532999]', 'private'],
  },
  {
    name: 'asked for',
    container: { namespaces: { ipc: node }, declared: { ipcMode: 'host' } },
    verdict: 'fail',
    seen: ['ipc:[4026531839], the one of pid 1', 'host'],
  },
  {
    name: 'through another container that has it',
    container: { namespaces: { ipc: node }, declared: { ipcMode: 'container:25a3780f7fb6' } },
    verdict: 'fail',
    seen: ['ipc:[4026531839], the one of pid 1', 'container:25a3780f7fb6'],
  },
  {
    name: 'that of another container',
    container: { namespaces: { ipc: own }, declared: { ipcMode: 'container:25a3780f7fb6' } },
    verdict: 'pass',
  },
  {
    name: 'nothing asked for, but the kernel says so',
    container: { namespaces: { ipc: node }, declared: { ipcMode: '' } },
    verdict: 'fail',
    seen: ['ipc:[4026531839], the one of pid 1', 'nothing asked for'],
  },
  {
    name: 'not readable, but asked for',
    container: { namespaces: { ipc: hidden }, declared: { ipcMode: 'host' } },
    verdict: 'fail',
    seen: ['host'],
  },
  {
    name: 'not readable',
    container: { namespaces: { ipc: hidden }, declared: { ipcMode: 'private' } },
    verdict: 'unknown',
    reason: /permission denied/,
  },
  {
    name: 'a kernel without them',
    container: { namespaces: { ipc: absent('/proc/4121/ns/ipc') }, declared: { ipcMode: '' } },
    verdict: 'notApplicable',
    reason: /has no ipc namespaces/,
  },
]);
