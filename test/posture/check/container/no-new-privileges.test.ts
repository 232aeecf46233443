import t from 'tap';
import { noNewPrivileges } from '../../../../posture/check/container/no-new-privileges.ts';
import { seen, unreadable } from '../../../../posture/observed.ts';
import { dockerApi, dockerFact } from '../../../fixture/facts.ts';
import { judgeContainers } from '../../../fixture/verdict-table.ts';

const status = '/proc/4121/status';

const byDefault = {
  docker: dockerFact({ api: dockerApi({ securityOptions: [{ name: 'no-new-privileges', options: {} }] }) }),
};
const byFlag = {
  docker: dockerFact({
    process: seen(
      { pid: 812, uid: 0, startedAtMs: 0, executable: '', flags: { 'no-new-privileges': ['true'] }, environment: {} },
      '/proc/812',
    ),
  }),
};
const silent = {
  docker: dockerFact({ api: unreadable('GET /info', 'no answer'), process: unreadable('/proc', 'hidden') }),
};

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
    facts: byDefault,
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
    facts: byDefault,
    container: { noNewPrivs: seen(true, status), complete: false },
    verdict: 'unknown',
  },
  {
    name: 'the default of the daemon, by a flag',
    facts: byFlag,
    container: { noNewPrivs: seen(true, status) },
    verdict: 'pass',
  },
  {
    name: 'the processes set it themselves: the next one has none',
    container: { noNewPrivs: seen(true, status) },
    verdict: 'fail',
    severity: 'low',
    seen: ['NoNewPrivs: 1', 'nothing asked for'],
  },
  {
    name: 'the daemon does not answer',
    facts: silent,
    container: { noNewPrivs: seen(true, status) },
    verdict: 'unknown',
    reason: /the next process/,
  },
]);
