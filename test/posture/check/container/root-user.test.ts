import t from 'tap';
import { rootUser } from '../../../../posture/check/container/root-user.ts';
import { seen, unreadable } from '../../../../posture/observed.ts';
import { otherContext } from '../../../fixture/container.ts';
import { dockerApi, dockerFact } from '../../../fixture/facts.ts';
import { judgeContainers } from '../../../fixture/verdict-table.ts';

const status = '/proc/4121/status';
const hidden = unreadable(status, 'permission denied (EACCES)');
const remap = { docker: dockerFact({ api: dockerApi({ securityOptions: [{ name: 'userns', options: {} }] }) }) };

judgeContainers(t, rootUser, [
  { name: 'nothing asked for', verdict: 'fail', seen: ['Uid: 0', 'not set, so root'] },
  {
    name: 'an ordinary user',
    container: { declared: { user: '10001' }, uids: seen([10001, 10001, 10001, 10001], status) },
    verdict: 'pass',
    seen: ['Uid: 10001', '10001'],
  },
  {
    name: 'an ordinary user was asked for, and it runs as root',
    container: { declared: { user: '10001' } },
    verdict: 'fail',
    seen: ['Uid: 0', '10001'],
  },
  {
    name: 'a name, but root in the end',
    container: { declared: { user: 'toor' } },
    verdict: 'fail',
    seen: ['Uid: 0', 'toor'],
  },
  { name: '0:0 is root', container: { declared: { user: '0:0' } }, verdict: 'fail' },
  {
    name: 'root inside, another user on the node',
    container: {
      uids: seen([100000, 100000, 100000, 100000], status),
      uidMap: seen([{ inside: 0, outside: 100000, count: 65536 }], '/proc/4121/uid_map'),
    },
    verdict: 'pass',
    seen: ['Uid: 100000', '0 100000 65536', 'not set, so root'],
  },
  { name: 'not readable, asked for no user', container: { uids: hidden }, verdict: 'fail', seen: ['not set, so root'] },
  ...['root', 'root:root', '0', '00', '+0', '0:1000'].map((user) => ({
    name: `not readable, asked for ${user}`,
    container: { declared: { user }, uids: hidden },
    verdict: 'fail' as const,
  })),
  { name: 'not readable, and ids are remapped', container: { uids: hidden }, facts: remap, verdict: 'unknown' },
  {
    name: 'not readable, asked for a user',
    container: { declared: { user: '10001' }, uids: hidden },
    verdict: 'unknown',
    reason: /permission denied/,
  },
  ...[
    [0, 1000, 1000, 1000],
    [1000, 1000, 0, 1000],
    [1000, 1000, 1000, 0],
  ].map((uids) => ({
    name: `one of the ids is root: ${uids.join(' ')}`,
    container: { uids: seen(uids, status) },
    verdict: 'fail' as const,
    seen: [`Uid: ${uids.join(' ')} (real, effective, saved, file system)`, 'not set, so root'],
  })),
  {
    name: 'a root child of an unprivileged first process',
    container: { uids: seen([1000, 1000, 1000, 1000], status), otherContexts: [otherContext({ uids: [0, 0, 0, 0] })] },
    verdict: 'fail',
    seen: ['Uid: 0', 'not set, so root'],
  },
  {
    name: 'not every thread was read',
    container: { uids: seen([1000, 1000, 1000, 1000], status), complete: false, incompleteReason: 'too fast' },
    verdict: 'unknown',
    reason: /too fast/,
  },
]);
