import t from 'tap';
import { maskedPaths } from '../../../../posture/check/container/masked-paths.ts';
import type { Mount } from '../../../../posture/fact/container.ts';
import { seen, unreadable } from '../../../../posture/observed.ts';
import { containerFact, DEFAULT_MOUNTS, mountOf, numbered } from '../../../fixture/container.ts';
import { kernelFact } from '../../../fixture/facts.ts';
import { judgeContainers } from '../../../fixture/verdict-table.ts';

const mountinfo = '/proc/4121/mountinfo';
const without = (...points: readonly string[]): readonly Mount[] =>
  DEFAULT_MOUNTS.filter(({ mountPoint }) => !points.includes(mountPoint));
const bare = without(
  '/proc/bus',
  '/proc/fs',
  '/proc/irq',
  '/proc/sys',
  '/proc/acpi',
  '/proc/keys',
  '/proc/timer_list',
  '/sys/firmware',
);
const all = 'not covered: /sys/firmware, /proc/sys, /proc/kcore, /proc/keys, /proc/timer_list, /proc/sysrq-trigger';
const masked = containerFact().declared.maskedPaths ?? [];

judgeContainers(t, maskedPaths, [
  {
    // The node has neither /proc/kcore nor /proc/sysrq-trigger: the runtime covers what is there.
    name: 'the default container',
    verdict: 'pass',
    seen: ['covered: /sys/firmware, /proc/sys, /proc/keys, /proc/timer_list', '11 masked, 5 read-only'],
  },
  {
    name: 'systempaths=unconfined',
    container: { declared: { maskedPaths: [], readonlyPaths: [] }, mounts: seen(bare, mountinfo) },
    verdict: 'fail',
    seen: [all, 'none'],
  },
  {
    name: 'privileged',
    container: { declared: { privileged: true, maskedPaths: [], readonlyPaths: [] }, mounts: seen(bare, mountinfo) },
    verdict: 'fail',
    seen: [all, 'declared privileged, so none'],
  },
  {
    name: 'asked for, and uncovered afterwards',
    container: { mounts: seen(without('/sys/firmware'), mountinfo) },
    verdict: 'fail',
    seen: ['not covered: /sys/firmware, /proc/kcore, /proc/sysrq-trigger', '11 masked, 5 read-only'],
  },
  {
    name: '/proc/sys mounted again, writable',
    container: {
      mounts: seen(
        numbered([...DEFAULT_MOUNTS, mountOf({ root: '/sys', mountPoint: '/proc/sys', fsType: 'proc' })]),
        mountinfo,
      ),
    },
    verdict: 'fail',
  },
  {
    name: 'a list of its own that leaves out the keys',
    container: {
      declared: { maskedPaths: masked.filter((path) => path !== '/proc/keys') },
      mounts: seen(without('/proc/keys'), mountinfo),
    },
    verdict: 'fail',
    seen: ['not covered: /proc/keys', '10 masked, 5 read-only'],
  },
  {
    name: 'a kernel without keys',
    container: { mounts: seen(without('/proc/keys', '/proc/timer_list'), mountinfo) },
    verdict: 'pass',
    seen: ['covered: /sys/firmware, /proc/sys', '11 masked, 5 read-only'],
  },
  {
    name: 'a runtime that does not report the paths: they may be missing in the kernel, or unmasked',
    container: { declared: { maskedPaths: null, readonlyPaths: null }, mounts: seen(without('/proc/keys'), mountinfo) },
    verdict: 'unknown',
    reason: /"?\/proc\/keys.*does not report/,
    seen: ['not covered: /proc/kcore, /proc/keys, /proc/sysrq-trigger', 'not reported by the runtime'],
  },
  {
    name: 'such a runtime, with /proc/sys bare',
    container: { declared: { maskedPaths: null, readonlyPaths: null }, mounts: seen(without('/proc/sys'), mountinfo) },
    verdict: 'fail',
  },
  ...[
    ['a runtime that does not report the paths, which the kernel has', null, ['/proc/keys'], 'fail'],
    ['which the kernel lacks', null, ['/proc/timer_list'], 'pass'],
    ['a path that the kernel has and the engine was asked to cover', [], ['/proc/keys'], 'fail'],
  ].map(([name, paths, maskable, verdict]) => ({
    name: name as string,
    container: {
      declared: paths === null ? { maskedPaths: null, readonlyPaths: null } : {},
      mounts: seen(without('/proc/keys'), mountinfo),
    },
    facts: { kernel: kernelFact({ maskable: seen(maskable as string[], '/proc') }) },
    verdict: verdict as 'fail' | 'pass',
  })),
  {
    name: 'a /proc that is read-only as a whole',
    container: {
      mounts: seen(
        without('/proc/sys').map((mount) =>
          mount.mountPoint === '/proc' ? mountOf({ ...mount, readOnly: true }) : mount,
        ),
        mountinfo,
      ),
    },
    verdict: 'pass',
  },
  {
    name: 'not readable',
    container: { mounts: unreadable(mountinfo, 'permission denied (EACCES)') },
    verdict: 'unknown',
    reason: /permission denied/,
  },
  {
    name: 'not readable, but asked for none',
    container: {
      declared: { maskedPaths: [], readonlyPaths: [] },
      mounts: unreadable(mountinfo, 'permission denied (EACCES)'),
    },
    verdict: 'fail',
    seen: ['none'],
  },
  {
    name: 'bare in another mount namespace',
    container: {
      mountNamespaces: [{ inode: 4026532777, host: false, mounts: seen(bare, '/proc/4150/mountinfo') }],
    },
    verdict: 'fail',
    seen: [all, '11 masked, 5 read-only'],
  },
  {
    name: 'another mount namespace that could not be read',
    container: {
      mountNamespaces: [{ inode: 4026532777, host: false, mounts: unreadable('/proc/4150/mountinfo', 'a chroot') }],
    },
    verdict: 'unknown',
    reason: /4150.*a chroot/,
  },
]);
