import t from 'tap';
import { capabilityNames } from '../../../posture/check/capability.ts';
import { bytes, count } from '../../../api/format.ts';
import { compareContainer, compareContainers } from '../../../posture/compare/compare.ts';
import { CONTAINER_EXPRESSION, containerDetailExpression, liveContainer } from '../../../posture/compare/container.ts';
import type { LiveContainer } from '../../../posture/compare/container.ts';
import { compileExpression } from '../../../posture/expression.ts';

/** Capabilities as a query shows them, from the words of the kernel. */
function heldBy(effective: string, bounding: string) {
  return { effective: capabilityNames(effective) ?? [], bounding: capabilityNames(bounding) ?? [] };
}

const FORMAT = { bytes, count };

/** A container as `docker run busybox sleep 1` gives it on a kernel without security modules. */
const PLAIN: LiveContainer = {
  id: 'ab'.repeat(32),
  name: 'shop',
  image: 'busybox',
  startedAt: '2026-11-25T14:00:00.000000000Z',
  pid: 4121,
  processes: 1,
  complete: true,
  incompleteReason: '',
  declared: {
    privileged: false,
    seccompProfile: 'default',
    apparmorProfile: '',
    selinuxLabel: '',
    noNewPrivileges: null,
    capAdd: [],
    capDrop: [],
    user: '',
    readOnlyRoot: false,
    networkMode: 'bridge',
    pidMode: '',
    ipcMode: 'private',
    utsMode: '',
    usernsMode: '',
    cgroupnsMode: 'private',
    memoryBytes: 0,
    pidsLimit: 0,
  },
  seccomp: { mode: 'filter', filters: 1, threads: 1, weakest: '/proc/4121/task/4121/status' },
  noNewPrivs: false,
  // The word that the manual of Docker and every /proc/PID/status of such a container show.
  capabilities: heldBy('00000000a80425fb', '00000000a80425fb'),
  uid: 0,
  uidMap: [{ inside: 0, outside: 0, count: 4294967295 }],
  lsmLabel: null,
  namespaces: {
    cgroup: { host: false, inode: 1 },
    ipc: { host: false, inode: 2 },
    mnt: { host: false, inode: 3 },
    net: { host: false, inode: 4 },
    pid: { host: false, inode: 5 },
    user: { host: true, inode: 6 },
    uts: { host: false, inode: 7 },
  },
  rootReadOnly: [false],
  memoryMaxBytes: -1,
  pidsMax: -1,
  lastCapability: 40,
};

type Over = Omit<Partial<LiveContainer>, 'declared'> & { readonly declared?: Partial<LiveContainer['declared']> };
const container = ({ declared, ...over }: Over): LiveContainer => ({
  ...PLAIN,
  ...over,
  declared: { ...PLAIN.declared, ...declared },
});
const settingOf = (name: string, over: Over) => {
  const found = compareContainer(container(over), FORMAT).settings.find((setting) => setting.name === name);
  if (found === undefined) throw new Error(`no setting ${name}`);
  return found;
};

void t.test('a plain container is as declared', async (t) => {
  const { differences, unread, weaknesses } = compareContainer(PLAIN, FORMAT);
  t.strictSame([differences, unread, weaknesses], [0, 0, ['root on the host']]);
});

void t.test('what the kernel enforces, where it differs', async (t) => {
  const off = { mode: 'disabled', filters: 0, threads: 3, weakest: '/proc/4121/task/4133/status' } as const;
  const all = heldBy('000001ffffffffff', '000001ffffffffff');
  const cases: readonly (readonly [string, Over, string, string])[] = [
    ['seccomp', { seccomp: off }, 'differs', 'a filter was declared, but none is in force'],
    ['seccomp', { seccomp: off, declared: { seccompProfile: 'unconfined' } }, 'same', ''],
    ['seccomp', { seccomp: off, declared: { privileged: true } }, 'same', ''],
    ['seccomp', { declared: { seccompProfile: 'unconfined' } }, 'differs', 'stricter than declared'],
    ['seccomp', { seccomp: null }, 'unread', ''],
    ['capabilities', { capabilities: all, declared: { privileged: true } }, 'same', ''],
    // A bit more: CAP_NET_ADMIN is 12 (include/uapi/linux/capability.h).
    ['capabilities', { capabilities: heldBy('0', '00000000a80435fb') }, 'differs', 'more than declared: NET_ADMIN'],
    [
      'capabilities',
      { capabilities: heldBy('0', '00000000a80435fb'), declared: { capAdd: ['CAP_NET_ADMIN'] } },
      'same',
      '',
    ],
    ['capabilities', { capabilities: heldBy('0', '0'), declared: { capDrop: ['ALL'] } }, 'same', ''],
    // CAP_CHOWN is 0.
    ['capabilities', { capabilities: heldBy('1', '1'), declared: { capDrop: ['ALL'], capAdd: ['CHOWN'] } }, 'same', ''],
    ['capabilities', { capabilities: heldBy('0', '00000000a80425fa') }, 'differs', 'fewer than declared: CHOWN'],
    ['capabilities', { capabilities: { effective: null, bounding: null } }, 'unread', ''],
    ['privileged', { capabilities: all }, 'differs', 'as powerful as privileged, but not declared'],
    ['privileged', { capabilities: all, declared: { capAdd: ['ALL'] } }, 'same', ''],
    // A virtual machine without CAP_SYS_RESOURCE (24).
    ['privileged', { capabilities: heldBy('0', '000001fffeffffff'), declared: { privileged: true } }, 'same', ''],
    ['privileged', { declared: { privileged: true } }, 'differs', 'declared, but capabilities are missing'],
    ['no-new-privileges', { declared: { noNewPrivileges: true } }, 'differs', 'declared, but a thread runs without it'],
    ['no-new-privileges', { noNewPrivs: true }, 'same', ''],
    ['user', { uid: 1000 }, 'differs', 'changed its user after the start'],
    ['user', { uid: 0, declared: { user: '1000:1000' } }, 'differs', 'became root'],
    [
      'user',
      { uid: 101_000, uidMap: [{ inside: 0, outside: 100_000, count: 65_536 }], declared: { user: '1000' } },
      'same',
      '',
    ],
    ['user', { uid: 70, declared: { user: 'postgres' } }, 'only', ''],
    ['root file system', { declared: { readOnlyRoot: true } }, 'differs', 'declared read-only, mounted writable'],
    ['root file system', { rootReadOnly: [false, true], declared: { readOnlyRoot: true } }, 'same', ''],
    ['root file system', { rootReadOnly: null }, 'unread', ''],
    [
      'PID namespace',
      { namespaces: { ...PLAIN.namespaces, pid: { host: true, inode: 1 } } },
      'differs',
      'shared with the host',
    ],
    [
      'PID namespace',
      { namespaces: { ...PLAIN.namespaces, pid: { host: true, inode: 1 } }, declared: { pidMode: 'host' } },
      'same',
      '',
    ],
    ['network namespace', { declared: { networkMode: 'container:ab' } }, 'only', ''],
    ['IPC namespace', { namespaces: { ...PLAIN.namespaces, ipc: null } }, 'unread', ''],
    [
      'AppArmor / SELinux',
      { lsmLabel: 'docker-default (enforce)', declared: { apparmorProfile: 'docker-default' } },
      'same',
      '',
    ],
    [
      'AppArmor / SELinux',
      { lsmLabel: 'unconfined', declared: { apparmorProfile: 'docker-default' } },
      'differs',
      'another label than declared',
    ],
    ['memory limit', { memoryMaxBytes: 268_435_456, declared: { memoryBytes: 268_435_456 } }, 'same', ''],
    ['memory limit', { declared: { memoryBytes: 268_435_456 } }, 'differs', 'declared, but not in force'],
    ['process limit', { pidsMax: 4096 }, 'only', ''],
    ['threads', { complete: false }, 'unread', ''],
  ];
  for (const [name, over, relation, difference] of cases) {
    const found = settingOf(name, over);
    t.strictSame([found.relation, found.difference], [relation, difference], `${name} ${JSON.stringify(over)}`);
  }
});

void t.test('texts are what people look for', async (t) => {
  const incompleteReason = '/proc/4121/task/4130/status: permission denied (EACCES)';
  t.match(settingOf('threads', { complete: false, incompleteReason }), {
    declared: 'all',
    effective: `not all read: ${incompleteReason}`,
  });
  t.match(settingOf('capabilities', {}), { declared: 'default set', effective: '14' });
  t.match(settingOf('capabilities', { declared: { capDrop: ['ALL'], capAdd: ['CAP_CHOWN'] } }), {
    declared: 'without ALL, with CHOWN',
  });
  t.match(settingOf('AppArmor / SELinux', {}), { declared: 'none', effective: 'none or not read', relation: 'only' });
  t.match(settingOf('AppArmor / SELinux', { declared: { apparmorProfile: 'docker-default' } }), {
    declared: 'docker-default',
    effective: 'none or not read',
    relation: 'unread',
  });
  t.match(settingOf('memory limit', { memoryMaxBytes: 268_435_456, declared: { memoryBytes: 268_435_456 } }), {
    declared: '256 MiB',
    effective: '256 MiB',
  });
});

void t.test('those that differ come first, then those that are weak', async (t) => {
  const calm = container({ name: 'calm', uid: 1000, declared: { user: '1000' } });
  const differing = container({ name: 'zz', declared: { readOnlyRoot: true } });
  t.strictSame(
    compareContainers([calm, container({ name: 'a' }), differing], FORMAT).map(({ container: { name } }) => name),
    ['zz', 'a', 'calm'],
  );
});

void t.test('the question compiles, and asks for all that is shown', async (t) => {
  t.match(compileExpression(CONTAINER_EXPRESSION), { ok: true });
  t.match(compileExpression(containerDetailExpression('ab'.repeat(32)) ?? ''), { ok: true });
  for (const id of ['', 'a"b', "a'b", 'a\\b', 'a)', 'a b', 'é', 'x'.repeat(129)])
    t.equal(containerDetailExpression(id), undefined, `an id that could end the string: ${id}`);
  for (const name of Object.keys(PLAIN)) t.ok(CONTAINER_EXPRESSION.includes(`"${name}":`), name);
  for (const name of Object.keys(PLAIN.declared)) t.ok(CONTAINER_EXPRESSION.includes(`"${name}":`), name);
  t.match(liveContainer.parse(PLAIN), { ok: true });
});
