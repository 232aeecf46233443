import t from 'tap';
import { noNewPrivileges } from '../../../../posture/check/container/no-new-privileges.ts';
import { seen, unreadable } from '../../../../posture/observed.ts';
import { judgeContainers } from '../../../fixture/verdict-table.ts';

const status = '/proc/4121/status';

judgeContainers(t, noNewPrivileges, [
  { name: 'nothing asked for', verdict: 'fail', seen: ['NoNewPrivs: 0', 'nothing asked for'] },
  {
    name: 'asked for and in force',
    container: { declared: { noNewPrivileges: true }, noNewPrivs: seen(true, status) },
    verdict: 'pass',
    seen: ['NoNewPrivs: 1', 'no-new-privileges'],
  },
  {
    name: 'the default of the daemon',
    container: { noNewPrivs: seen(true, status) },
    verdict: 'pass',
    seen: ['NoNewPrivs: 1', 'nothing asked for'],
  },
  {
    name: 'asked for, but the kernel says otherwise',
    container: { declared: { noNewPrivileges: true }, noNewPrivs: seen(false, status) },
    verdict: 'fail',
    seen: ['NoNewPrivs: 0', 'no-new-privileges'],
  },
  {
    name: 'switched off against the default of the daemon',
    container: { declared: { noNewPrivileges: false } },
    verdict: 'fail',
    seen: ['NoNewPrivs: 0', 'no-new-privileges=false'],
  },
  {
    name: 'not readable',
    container: { declared: { noNewPrivileges: true }, noNewPrivs: unreadable(status, 'permission denied (EACCES)') },
    verdict: 'unknown',
    reason: /permission denied/,
  },
  {
    name: 'not readable, but switched off',
    container: { declared: { noNewPrivileges: false }, noNewPrivs: unreadable(status, 'permission denied (EACCES)') },
    verdict: 'fail',
  },
  {
    name: 'not every thread was read',
    container: { noNewPrivs: seen(true, status), complete: false },
    verdict: 'unknown',
  },
]);
