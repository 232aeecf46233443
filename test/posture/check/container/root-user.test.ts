import t from 'tap';
import { rootUser } from '../../../../posture/check/container/root-user.ts';
import { seen, unreadable } from '../../../../posture/observed.ts';
import { dockerApi, dockerFact } from '../../../fixture/facts.ts';
import { judgeContainers } from '../../../fixture/verdict-table.ts';

const status = '/proc/4121/status';
const hidden = unreadable(status, 'permission denied (EACCES)');
const remap = { docker: dockerFact({ api: dockerApi({ securityOptions: [{ name: 'userns', options: {} }] }) }) };

judgeContainers(t, rootUser, [
  { name: 'nothing asked for', verdict: 'fail', seen: ['Uid: 0', 'not set, so root'] },
  {
    name: 'an ordinary user',
    container: { declared: { user: '10001' }, uid: seen(10001, status) },
    verdict: 'pass',
    seen: ['Uid: 10001', '10001'],
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
      uid: seen(100000, status),
      uidMap: seen([{ inside: 0, outside: 100000, count: 65536 }], '/proc/4121/uid_map'),
    },
    verdict: 'pass',
    seen: ['Uid: 100000', '0 100000 65536', 'not set, so root'],
  },
  { name: 'not readable, asked for no user', container: { uid: hidden }, verdict: 'fail', seen: ['not set, so root'] },
  ...['root', 'root:root', '0', '00', '+0', '0:1000'].map((user) => ({
    name: `not readable, asked for ${user}`,
    container: { declared: { user }, uid: hidden },
    verdict: 'fail' as const,
  })),
  { name: 'not readable, and ids are remapped', container: { uid: hidden }, facts: remap, verdict: 'unknown' },
  {
    name: 'not readable, asked for a user',
    container: { declared: { user: '10001' }, uid: hidden },
    verdict: 'unknown',
    reason: /permission denied/,
  },
]);
