import t from 'tap';
import { privileged } from '../../../../posture/check/container/privileged.ts';
import { absent, seen, unreadable } from '../../../../posture/observed.ts';
import { namespaceOf, otherContext } from '../../../fixture/container.ts';
import { dockerApi, dockerFact } from '../../../fixture/facts.ts';
import { judgeContainers } from '../../../fixture/verdict-table.ts';

const words = (effective: string) =>
  seen(
    {
      effective,
      permitted: effective,
      inheritable: '0000000000000000',
      bounding: effective,
      ambient: '0000000000000000',
    },
    '/proc/4121/status',
  );
const unfiltered = seen(
  { mode: 'disabled', filters: 0, threads: 1, weakest: '/proc/4121/status' } as const,
  '/proc/4121/status',
);
// `docker run --privileged` on a virtual machine whose own set lacks CAP_SYS_RESOURCE (bit 24), and on one that has all.
const LACKING = '000001fffeffffff';
const FULL = '000001ffffffffff';

judgeContainers(t, privileged, [
  {
    name: 'the default container',
    verdict: 'pass',
    seen: ['CapEff 00000000a80425fb', 'Seccomp: 2', 'not declared privileged'],
  },
  {
    name: 'asked for',
    container: { declared: { privileged: true }, capabilities: words(FULL), seccomp: unfiltered },
    verdict: 'fail',
    seen: ['CapEff 000001ffffffffff', 'Seccomp: 0', 'declared privileged'],
  },
  {
    name: 'asked for, and the kernel could not be read',
    container: {
      declared: { privileged: true },
      capabilities: unreadable('/proc/4121/status', 'permission denied (EACCES)'),
      seccomp: unreadable('/proc/4121/status', 'permission denied (EACCES)'),
    },
    verdict: 'fail',
    seen: ['declared privileged'],
  },
  {
    name: 'asked for, but in the user namespace that the engine made',
    facts: { docker: dockerFact({ api: dockerApi({ securityOptions: [{ name: 'rootless', options: {} }] }) }) },
    container: {
      declared: { privileged: true },
      namespaces: { user: namespaceOf('user', 4026532300, false) },
    },
    verdict: 'fail',
    severity: 'high',
  },
  {
    name: 'in effect: everything by --cap-add ALL, and no filter',
    container: { declared: { capAdd: ['ALL'] }, capabilities: words(FULL), seccomp: unfiltered },
    verdict: 'fail',
    seen: ['CapEff 000001ffffffffff', 'Seccomp: 0', 'not declared privileged'],
  },
  {
    name: 'in effect, on a node that lacks a capability itself',
    container: { capabilities: words(LACKING), seccomp: unfiltered },
    verdict: 'fail',
  },
  { name: 'everything, but filtered', container: { capabilities: words(FULL) }, verdict: 'pass' },
  {
    name: 'a kernel without seccomp',
    container: { capabilities: words(FULL), seccomp: absent('/proc/4121/status') },
    verdict: 'fail',
  },
  { name: 'no filter, default capabilities', container: { seccomp: unfiltered }, verdict: 'pass' },
  {
    name: 'no filter and SYS_ADMIN alone is bad, but not everything',
    container: { capabilities: words('00000000a82425fb'), seccomp: unfiltered },
    verdict: 'pass',
  },
  {
    name: 'not asked for, and the kernel could not be read',
    container: {
      capabilities: unreadable('/proc/4121/status', 'permission denied (EACCES)'),
      seccomp: unreadable('/proc/4121/status', 'permission denied (EACCES)'),
    },
    verdict: 'unknown',
    reason: /\/proc\/4121\/status: permission denied/,
  },
  {
    name: 'everything, and the filter could not be read',
    container: {
      capabilities: words(FULL),
      seccomp: unreadable('/proc/4121/status', 'permission denied (EACCES)'),
    },
    verdict: 'unknown',
  },
  {
    name: 'not every thread was read',
    container: { complete: false, incompleteReason: 'the container has more threads than are read' },
    verdict: 'unknown',
    reason: /more threads/,
  },
  {
    name: 'asked for, and its processes moved to a user namespace of their own',
    container: { declared: { privileged: true }, namespaces: { user: namespaceOf('user', 4026532300, false) } },
    verdict: 'fail',
  },
  {
    name: 'the first process is in a user namespace of its own, another one is not',
    container: {
      declared: { privileged: true },
      namespaces: { user: namespaceOf('user', 4026532300, false) },
      otherContexts: [otherContext({})],
    },
    facts: { docker: dockerFact({ api: dockerApi({ securityOptions: [{ name: 'userns', options: {} }] }) }) },
    verdict: 'fail',
  },
  {
    name: 'no process holds everything, but the next one will',
    container: { declared: { capAdd: ['ALL'], seccompProfile: 'unconfined' } },
    verdict: 'fail',
    severity: 'high',
  },
]);
