import t from 'tap';
import { hostUts } from '../../../../posture/check/container/host-uts.ts';
import { absent, unreadable } from '../../../../posture/observed.ts';
import { namespaceOf } from '../../../fixture/container.ts';
import { judgeContainers } from '../../../fixture/verdict-table.ts';

const own = namespaceOf('uts', 4026532999, false);
const node = namespaceOf('uts', 4026531838, true);
const hidden = unreadable('/proc/4121/ns/uts', 'permission denied (EACCES)');

judgeContainers(t, hostUts, [
  {
    name: 'its own',
    container: { namespaces: { uts: own }, declared: { utsMode: 'private' } },
    verdict: 'pass',
    seen: ['uts:[4026532999]', 'private'],
  },
  {
    name: 'asked for',
    container: { namespaces: { uts: node }, declared: { utsMode: 'host' } },
    verdict: 'fail',
    seen: ['uts:[4026531838], the one of pid 1', 'host'],
  },
  {
    name: 'through another container that has it',
    container: { namespaces: { uts: node }, declared: { utsMode: 'container:25a3780f7fb6' } },
    verdict: 'fail',
    seen: ['uts:[4026531838], the one of pid 1', 'container:25a3780f7fb6'],
  },
  {
    name: 'that of another container',
    container: { namespaces: { uts: own }, declared: { utsMode: 'container:25a3780f7fb6' } },
    verdict: 'pass',
  },
  {
    name: 'nothing asked for, but the kernel says so',
    container: { namespaces: { uts: node }, declared: { utsMode: '' } },
    verdict: 'fail',
    seen: ['uts:[4026531838], the one of pid 1', 'nothing asked for'],
  },
  {
    name: 'not readable, but asked for',
    container: { namespaces: { uts: hidden }, declared: { utsMode: 'host' } },
    verdict: 'fail',
    seen: ['host'],
  },
  {
    name: 'not readable',
    container: { namespaces: { uts: hidden }, declared: { utsMode: 'private' } },
    verdict: 'unknown',
    reason: /permission denied/,
  },
  {
    name: 'a kernel without them',
    container: { namespaces: { uts: absent('/proc/4121/ns/uts') }, declared: { utsMode: '' } },
    verdict: 'notApplicable',
    reason: /has no uts namespaces/,
  },
]);
