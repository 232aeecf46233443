import t from 'tap';
import { apparmor } from '../../../../posture/check/container/apparmor.ts';
import { absent, seen, unreadable } from '../../../../posture/observed.ts';
import { otherContext } from '../../../fixture/container.ts';
import { kernelFact } from '../../../fixture/facts.ts';
import { judgeContainers } from '../../../fixture/verdict-table.ts';

const facts = {
  kernel: kernelFact({ lsm: seen(['lockdown', 'capability', 'yama', 'apparmor'], '/sys/kernel/security/lsm') }),
};
const declared = { apparmorProfile: 'docker-default' };
const label = (text: string) => seen(text, '/proc/4121/attr/apparmor/current');

judgeContainers(t, apparmor, [
  { name: 'no AppArmor in the kernel', verdict: 'notApplicable', reason: /not active/ },
  {
    name: 'enforced',
    facts,
    container: { declared, lsmLabel: label('docker-default (enforce)') },
    verdict: 'pass',
    seen: ['docker-default (enforce)', 'docker-default'],
  },
  { name: 'killing', facts, container: { declared, lsmLabel: label('docker-default (kill)') }, verdict: 'pass' },
  {
    name: 'complaining',
    facts,
    container: { declared, lsmLabel: label('docker-default (complain)') },
    verdict: 'fail',
    seen: ['docker-default (complain)', 'docker-default'],
  },
  {
    name: 'unconfined, whatever was declared',
    facts,
    container: { declared, lsmLabel: label('unconfined') },
    verdict: 'fail',
    seen: ['unconfined', 'docker-default'],
  },
  {
    name: 'a profile in unconfined mode',
    facts,
    container: { declared, lsmLabel: label('crun (unconfined)') },
    verdict: 'fail',
  },
  {
    name: 'not readable',
    facts,
    container: { declared, lsmLabel: unreadable('/proc/4121/attr/current', 'permission denied (EACCES)') },
    verdict: 'unknown',
    reason: /permission denied/,
  },
  {
    name: 'not readable, but unconfined was asked for',
    facts,
    container: {
      declared: { apparmorProfile: 'unconfined' },
      lsmLabel: unreadable('/proc/4121/attr/current', 'permission denied (EACCES)'),
    },
    verdict: 'fail',
  },
  { name: 'no label though AppArmor is on', facts, verdict: 'unknown', reason: /holds no label/ },
  {
    name: 'the label of another module',
    facts,
    container: { lsmLabel: label('system_u:system_r:container_t:s0:c1,c2') },
    verdict: 'unknown',
  },
  {
    name: 'no list of modules, but AppArmor says that it is on',
    facts: {
      kernel: kernelFact({
        lsm: absent('/sys/kernel/security/lsm'),
        apparmor: seen(true, '/sys/module/apparmor/parameters/enabled'),
      }),
    },
    container: { declared, lsmLabel: label('docker-default (enforce)') },
    verdict: 'pass',
  },
  {
    name: 'neither the list nor the module could be read',
    facts: {
      kernel: kernelFact({
        lsm: unreadable('/sys/kernel/security/lsm', 'permission denied (EACCES)'),
        apparmor: unreadable('/sys/module/apparmor/parameters/enabled', 'permission denied (EACCES)'),
      }),
    },
    verdict: 'unknown',
  },
  {
    name: 'one process of several is unconfined',
    facts,
    container: {
      declared,
      lsmLabel: label('docker-default (enforce)'),
      otherContexts: [otherContext({ lsmLabel: label('unconfined') })],
    },
    verdict: 'fail',
    seen: ['unconfined', 'docker-default'],
  },
  {
    name: 'the processes entered a profile themselves: the next one is in none',
    facts,
    container: { declared: { apparmorProfile: 'unconfined' }, lsmLabel: label('docker-default (enforce)') },
    verdict: 'fail',
    severity: 'medium',
  },
]);
