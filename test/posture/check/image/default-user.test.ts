import t from 'tap';
import { defaultUser } from '../../../../posture/check/image/default-user.ts';
import type { Facts } from '../../../../posture/fact/facts.ts';
import { seen } from '../../../../posture/observed.ts';
import { containerFact } from '../../../fixture/container.ts';
import type { ContainerOverrides } from '../../../fixture/container.ts';
import { judgeImages } from '../../../fixture/verdict-table.ts';

const running = (uid: number, container: ContainerOverrides = {}): Partial<Facts> => ({
  containers: seen(
    [containerFact({ declared: { user: 'app' }, uid: seen(uid, '/proc/4121/status'), ...container })],
    'GET /containers/json',
  ),
});

judgeImages(t, defaultUser, [
  { name: 'none', verdict: 'fail', seen: ['not set, so root'] },
  ...['root', '0', '0:0', 'root:root', '00', '+0', '0:app'].map((user) => ({
    name: user,
    image: { user },
    verdict: 'fail' as const,
    seen: [user],
  })),
  ...['10001', '10001:0', '100', '100:app'].map((user) => ({
    name: user,
    image: { user },
    verdict: 'pass' as const,
    seen: [user],
  })),
  { name: 'a name', image: { user: 'app' }, verdict: 'unknown', reason: /no running container shows/ },
  { name: 'a name that runs as another user', image: { user: 'app' }, facts: running(1000), verdict: 'pass' },
  {
    name: 'another name of root',
    image: { user: 'app' },
    facts: running(0),
    verdict: 'fail',
    seen: ['Uid: 0', 'app'],
  },
  {
    name: 'another name of root, whom the container maps',
    image: { user: 'app' },
    facts: running(100000, { uidMap: seen([{ inside: 0, outside: 100000, count: 65536 }], '/proc/4121/uid_map') }),
    verdict: 'fail',
  },
  {
    name: 'a container that was given another user shows nothing',
    image: { user: 'app' },
    facts: running(1000, { declared: { user: '1000' } }),
    verdict: 'unknown',
  },
]);
