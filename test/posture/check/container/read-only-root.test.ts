import t from 'tap';
import { readOnlyRoot } from '../../../../posture/check/container/read-only-root.ts';
import { absent, seen, unreadable } from '../../../../posture/observed.ts';
import { DEFAULT_MOUNTS, mountOf } from '../../../fixture/container.ts';
import { judgeContainers } from '../../../fixture/verdict-table.ts';

const mountinfo = '/proc/4121/mountinfo';
const readOnly = seen(
  DEFAULT_MOUNTS.map((mount) => (mount.mountPoint === '/' ? mountOf({ ...mount, readOnly: true }) : mount)),
  mountinfo,
);

judgeContainers(t, readOnlyRoot, [
  { name: 'the default container', verdict: 'fail', seen: ['0:39 / / rw - overlay overlay', 'not declared read-only'] },
  {
    name: 'asked for',
    container: { declared: { readOnlyRoot: true }, mounts: readOnly },
    verdict: 'pass',
    seen: ['0:39 / / ro - overlay overlay', 'declared read-only'],
  },
  {
    name: 'asked for, and mounted writable since',
    container: { declared: { readOnlyRoot: true } },
    verdict: 'fail',
    seen: ['0:39 / / rw - overlay overlay', 'declared read-only'],
  },
  {
    name: 'asked for, not readable',
    container: { declared: { readOnlyRoot: true }, mounts: unreadable(mountinfo, 'permission denied (EACCES)') },
    verdict: 'unknown',
    reason: /permission denied/,
  },
  {
    name: 'not asked for, not readable',
    container: { mounts: unreadable(mountinfo, 'permission denied (EACCES)') },
    verdict: 'fail',
    seen: ['not declared read-only'],
  },
  {
    name: 'asked for, ended during inspection',
    container: { declared: { readOnlyRoot: true }, mounts: absent(mountinfo) },
    verdict: 'unknown',
    reason: /ended/,
  },
  {
    name: 'no line for the root',
    container: { declared: { readOnlyRoot: true }, mounts: seen([], mountinfo) },
    verdict: 'unknown',
  },
]);
