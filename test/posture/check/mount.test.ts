import t from 'tap';
import { isWithin, mountAt, mountLine } from '../../../posture/check/mount.ts';
import { DEFAULT_MOUNTS, mountOf, numbered } from '../../fixture/container.ts';

t.ok(isWithin('/etc', '/etc'));
t.ok(isWithin('/etc/ssh', '/etc'));
t.ok(isWithin('/etc', '/'));
t.notOk(isWithin('/etcetera', '/etc'));
t.notOk(isWithin('/', '/etc'));

t.equal(mountAt(DEFAULT_MOUNTS, '/proc/sys/kernel')?.mountPoint, '/proc/sys');
t.equal(mountAt(DEFAULT_MOUNTS, '/proc/kcore')?.mountPoint, '/proc');
t.equal(mountAt(DEFAULT_MOUNTS, '/opt')?.mountPoint, '/');
t.equal(mountAt([], '/opt'), undefined);
const later = mountOf({ mountPoint: '/proc/sys', source: 'later' });
t.equal(mountAt(numbered([...DEFAULT_MOUNTS, later]), '/proc/sys')?.source, 'later', 'the last of several is on top');

t.equal(mountLine(mountOf({ root: '/etc', mountPoint: '/x', readOnly: true })), '254:0 /etc /x ro - ext4 /dev/vda');
t.ok(mountLine(mountOf({ mountPoint: `/${'x'.repeat(4000)}` })).length < 300, 'bounded');
