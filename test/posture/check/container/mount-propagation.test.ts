import t from 'tap';
import { mountPropagation } from '../../../../posture/check/container/mount-propagation.ts';
import { seen, unreadable } from '../../../../posture/observed.ts';
import { DEFAULT_MOUNTS, mountOf } from '../../../fixture/container.ts';
import { judgeContainers } from '../../../fixture/verdict-table.ts';

const mountinfo = '/proc/4121/mountinfo';
const shared = seen([...DEFAULT_MOUNTS, mountOf({ root: '/srv', mountPoint: '/x', shared: true })], mountinfo);
const otherMounts = seen(
  [mountOf({ root: '/srv', mountPoint: '/x', shared: true, peerGroup: 7, sharedWithNode: true })],
  '/proc/4150/mountinfo',
);
const asked = (propagation: string) => ({
  mounts: [{ type: 'bind', source: '/srv', destination: '/x', writable: true, propagation }],
});

judgeContainers(t, mountPropagation, [
  { name: 'the default container', verdict: 'pass', seen: ['no shared mount'] },
  {
    name: 'rshared',
    container: { declared: asked('rshared'), mounts: shared },
    verdict: 'fail',
    seen: ['254:0 /srv /x rw shared - ext4 /dev/vda', '/srv -> /x rshared'],
  },
  {
    name: 'shared with the node, though nobody asked for it',
    container: {
      mounts: seen(
        [
          ...DEFAULT_MOUNTS,
          mountOf({ root: '/srv', mountPoint: '/x', shared: true, peerGroup: 7, sharedWithNode: true }),
        ],
        mountinfo,
      ),
    },
    verdict: 'fail',
    seen: ['254:0 /srv /x rw shared - ext4 /dev/vda'],
  },
  {
    name: 'in the mount namespace of another process',
    container: { mountNamespaces: [{ inode: 4026532999, host: false, mounts: otherMounts }] },
    verdict: 'fail',
  },
  { name: 'rslave', container: { declared: asked('rslave') }, verdict: 'pass' },
  { name: 'not asked for: an init system inside', container: { mounts: shared }, verdict: 'fail', severity: 'low' },
  {
    name: 'not readable',
    container: { mounts: unreadable(mountinfo, 'permission denied (EACCES)') },
    verdict: 'unknown',
  },
  {
    name: 'not readable, but asked for',
    container: { declared: asked('shared'), mounts: unreadable(mountinfo, 'permission denied (EACCES)') },
    verdict: 'fail',
  },
]);
