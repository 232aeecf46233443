import t from 'tap';
import { defaultUser } from '../../../../posture/check/image/default-user.ts';
import { judgeImages } from '../../../fixture/verdict-table.ts';

judgeImages(t, defaultUser, [
  { name: 'none', verdict: 'fail', seen: ['not set, so root'] },
  ...['root', '0', '0:0', 'root:root', '00', '+0', '0:app'].map((user) => ({
    name: user,
    image: { user },
    verdict: 'fail' as const,
    seen: [user],
  })),
  ...['10001', '10001:0', 'app', 'rootless', '100'].map((user) => ({
    name: user,
    image: { user },
    verdict: 'pass' as const,
    seen: [user],
  })),
]);
