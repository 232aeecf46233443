import t from 'tap';
import { selinux } from '../../../../posture/check/container/selinux.ts';
import { seen, unreadable } from '../../../../posture/observed.ts';
import { kernelFact } from '../../../fixture/facts.ts';
import { judgeContainers } from '../../../fixture/verdict-table.ts';

const lsm = seen(['lockdown', 'capability', 'selinux', 'bpf'], '/sys/kernel/security/lsm');
const facts = { kernel: kernelFact({ lsm, selinux: seen('enforcing', '/sys/fs/selinux/enforce') }) };
const label = (text: string) => seen(text, '/proc/4121/attr/current');

judgeContainers(t, selinux, [
  { name: 'no SELinux in the kernel', verdict: 'notApplicable', reason: /not active/ },
  {
    name: 'container_t with categories',
    facts,
    container: { lsmLabel: label('system_u:system_r:container_t:s0:c123,c456') },
    verdict: 'pass',
    seen: ['system_u:system_r:container_t:s0:c123,c456', 'none'],
  },
  {
    name: 'a type of its own with categories',
    facts,
    container: { lsmLabel: label('system_u:system_r:my_web.process:s0:c1,c2') },
    verdict: 'pass',
  },
  {
    name: 'container_t without categories',
    facts,
    container: { lsmLabel: label('system_u:system_r:container_t:s0') },
    verdict: 'fail',
  },
  {
    name: 'all categories is no pair',
    facts,
    container: { lsmLabel: label('unconfined_u:unconfined_r:container_t:s0-s0:c0.c1023') },
    verdict: 'fail',
  },
  {
    name: 'label=disable',
    facts,
    container: { declared: { selinuxDisabled: true }, lsmLabel: label('system_u:system_r:spc_t:s0:c1,c2') },
    verdict: 'fail',
    seen: ['system_u:system_r:spc_t:s0:c1,c2', 'label=disable'],
  },
  {
    name: 'a daemon without selinux-enabled',
    facts,
    container: { lsmLabel: label('system_u:system_r:unconfined_service_t:s0') },
    verdict: 'fail',
  },
  {
    name: 'permissive confines nothing',
    facts: { kernel: kernelFact({ lsm, selinux: seen('permissive', '/sys/fs/selinux/enforce') }) },
    container: { lsmLabel: label('system_u:system_r:container_t:s0:c123,c456') },
    verdict: 'fail',
    seen: ['permissive'],
  },
  {
    name: 'not readable',
    facts,
    container: { lsmLabel: unreadable('/proc/4121/attr/current', 'permission denied (EACCES)') },
    verdict: 'unknown',
  },
  {
    name: 'not readable, but label=disable was asked for',
    facts,
    container: {
      declared: { selinuxDisabled: true },
      lsmLabel: unreadable('/proc/4121/attr/current', 'permission denied (EACCES)'),
    },
    verdict: 'fail',
  },
  { name: 'no context', facts, container: { lsmLabel: label('docker-default (enforce)') }, verdict: 'unknown' },
]);
