import t from 'tap';
import { seccompFilter } from '../../../../posture/check/container/seccomp-filter.ts';
import { absent, seen, unreadable } from '../../../../posture/observed.ts';
import { dockerApi, dockerFact } from '../../../fixture/facts.ts';
import { judgeContainers } from '../../../fixture/verdict-table.ts';

const mode = (word: 'disabled' | 'strict' | 'filter', weakest = '/proc/4121/status') =>
  seen({ mode: word, filters: word === 'filter' ? 1 : 0, threads: 3, weakest }, weakest);

const custom = (defaultAction: string, allowed: number, withheld: number) => ({
  seccompProfile: 'custom',
  seccompSummary: { defaultAction, allowed: Array.from({ length: allowed }, () => 'bpf'), withheld },
});

judgeContainers(t, seccompFilter, [
  { name: 'the default profile', verdict: 'pass', seen: ['Seccomp: 2', 'declared default'] },
  {
    name: 'a profile of its own',
    container: { declared: custom('SCMP_ACT_ERRNO', 0, 20) },
    verdict: 'pass',
    seen: ['Seccomp: 2', 'declared a profile of its own: SCMP_ACT_ERRNO, withholds 20 of 20 dangerous system calls'],
  },
  { name: 'one that allows everything', container: { declared: custom('SCMP_ACT_ALLOW', 20, 0) }, verdict: 'fail' },
  {
    name: 'one that allows nearly everything',
    container: { declared: custom('SCMP_ACT_ALLOW', 19, 1) },
    verdict: 'fail',
    severity: 'medium',
  },
  {
    name: 'one that is not understood',
    container: { declared: { seccompProfile: 'custom' } },
    verdict: 'unknown',
    reason: /could not be parsed/,
  },
  {
    name: 'one that allows everything, in a container that does not run',
    container: { declared: custom('SCMP_ACT_ALLOW', 20, 0), seccomp: unreadable('inspect State.Status', 'stopped') },
    verdict: 'fail',
  },
  {
    name: 'strict mode',
    container: { seccomp: mode('strict') },
    verdict: 'pass',
    seen: ['Seccomp: 1', 'declared default'],
  },
  {
    name: 'asked for none',
    container: { declared: { seccompProfile: 'unconfined' }, seccomp: mode('disabled') },
    verdict: 'fail',
    seen: ['Seccomp: 0', 'declared unconfined'],
  },
  {
    name: 'privileged',
    container: { declared: { privileged: true, seccompProfile: 'unconfined' }, seccomp: mode('disabled') },
    verdict: 'fail',
    seen: ['Seccomp: 0', 'declared privileged, so no profile'],
  },
  {
    name: 'a daemon without a profile: inspect says nothing, the kernel does',
    container: { seccomp: mode('disabled') },
    verdict: 'fail',
    seen: ['Seccomp: 0', 'declared default'],
  },
  {
    name: 'one thread of several',
    container: { seccomp: mode('disabled', '/proc/4121/task/4133/status') },
    verdict: 'fail',
  },
  {
    name: 'not readable',
    container: { seccomp: unreadable('/proc/4121/status', 'permission denied (EACCES)') },
    verdict: 'unknown',
    reason: /permission denied/,
  },
  {
    name: 'not readable, but asked for none',
    container: {
      declared: { seccompProfile: 'unconfined' },
      seccomp: unreadable('/proc/4121/status', 'permission denied (EACCES)'),
    },
    verdict: 'fail',
    seen: ['declared unconfined'],
  },
  {
    name: 'a kernel without seccomp',
    container: { seccomp: absent('/proc/4121/status') },
    verdict: 'fail',
    seen: ['no line Seccomp: this kernel has no seccomp', 'declared default'],
  },
  {
    name: 'ended during inspection',
    container: {
      seccomp: absent('/proc/4121/status'),
      capabilities: absent('/proc/4121/status'),
      mounts: absent('/proc/4121/mountinfo'),
    },
    verdict: 'unknown',
    reason: /ended while it was inspected/,
  },
  {
    name: 'not every thread was read',
    container: { complete: false, incompleteReason: 'the container has more threads than are read' },
    verdict: 'unknown',
    reason: /more threads/,
  },
  {
    name: 'a filter that the processes gave themselves: the next one has none',
    container: { declared: { seccompProfile: 'unconfined' } },
    verdict: 'fail',
    severity: 'medium',
    seen: ['Seccomp: 2', 'declared unconfined'],
  },
  {
    name: 'the same under a daemon without a profile',
    facts: {
      docker: dockerFact({
        api: dockerApi({ securityOptions: [{ name: 'seccomp', options: { profile: 'unconfined' } }] }),
      }),
    },
    verdict: 'fail',
    severity: 'medium',
    seen: ['Seccomp: 2', 'declared default', 'name=seccomp,profile=unconfined'],
  },
]);
