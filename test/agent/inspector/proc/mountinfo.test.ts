import * as fc from 'fast-check';
import t from 'tap';
import {
  cgroupMounts,
  cgroupDirectory,
  containerIds,
  parseProcCgroup,
} from '../../../../agent/inspector/proc/cgroup.ts';
import { parseMountinfo } from '../../../../agent/inspector/proc/mountinfo.ts';
import { recordedText, SEED } from '../../../fixture/inspector/read.ts';

t.test('the example of proc_pid_mountinfo(5)', (t) => {
  t.same(parseMountinfo('36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue\n'), [
    {
      id: 36,
      parent: 35,
      device: '98:0',
      root: '/mnt1',
      mountPoint: '/mnt2',
      options: 'rw,noatime',
      readOnly: false,
      peerGroup: 0,
      fsType: 'ext3',
      source: '/dev/root',
      superOptions: 'rw,errors=continue',
    },
  ]);
  t.end();
});

t.test('mounts of recorded containers', (t) => {
  const text = recordedText('proc/read-only/mountinfo');
  const mounts = parseMountinfo(text);
  t.equal(mounts.length, text.trimEnd().split('\n').length);
  t.match(mounts[0], { mountPoint: '/', readOnly: true, fsType: 'overlay' });
  t.match(
    mounts.find(({ mountPoint }) => mountPoint === '/mnt/with space'),
    { root: '/srv/a b', readOnly: true, fsType: 'ext4', device: '254:0' },
  );
  const masked = parseMountinfo(recordedText('proc/default/mountinfo')).filter(({ root }) => root === '/null');
  t.same(
    masked.map(({ mountPoint }) => mountPoint),
    ['/proc/keys', '/proc/timer_list'],
  );
  t.notOk(parseMountinfo(recordedText('proc/privileged/mountinfo')).some(({ root }) => root === '/null'));
  t.end();
});

t.test('optional fields and octal escapes', (t) => {
  const [mount] = parseMountinfo(
    '1 2 0:3 / /a\\011b\\134c\\012d rw shared:7 master:2 propagate_from:4 - ext4 a\\040b ro',
  );
  t.match(mount, { mountPoint: '/a\tb\\c\nd', peerGroup: 7, readOnly: false, source: 'a b' });
  t.same(parseMountinfo('1 2 0:3 / /x rw\nnonsense\n'), []);
  t.end();
});

t.test('cgroups of a recorded process', (t) => {
  const text = recordedText('proc/default/cgroup');
  const id = containerIds(text)[0] ?? '';
  t.match(id, /^[\da-f]{64}$/);
  const entries = parseProcCgroup(text);
  const mounts = cgroupMounts(parseMountinfo(recordedText('proc/default/mountinfo')));
  // Within the container the hierarchies are mounted from its own cgroup on.
  t.same(cgroupDirectory(mounts, entries, 'pids'), { path: '/sys/fs/cgroup/pids', top: '/sys/fs/cgroup/pids' });
  t.same(cgroupDirectory([{ controllers: ['pids'], mountPoint: '/c/pids', root: '/' }], entries, 'pids'), {
    path: `/c/pids/docker/${id}`,
    top: '/c/pids',
  });
  t.end();
});

t.test('cgroups of other engines and views', (t) => {
  const mounts = [{ controllers: [], mountPoint: '/sys/fs/cgroup', root: '/' }];
  const at = (line: string): string | undefined => cgroupDirectory(mounts, parseProcCgroup(line), '')?.path;
  t.equal(at('0::/system.slice/docker-0a.scope\n'), '/sys/fs/cgroup/system.slice/docker-0a.scope');
  t.equal(at('0::/\n'), '/sys/fs/cgroup');
  t.equal(at('0::/../0a\n'), undefined, 'outside of the cgroup namespace of the reader');
  t.equal(at('4:memory:/docker/0a\n'), undefined, 'another hierarchy');
  const named = parseProcCgroup('9:name=systemd:/a:b\n4:cpu,cpuacct:/c\n');
  t.same(named, [
    { controllers: ['name=systemd'], path: '/a:b' },
    { controllers: ['cpu', 'cpuacct'], path: '/c' },
  ]);
  const nested = [{ controllers: [], mountPoint: '/sys/fs/cgroup', root: '/node' }];
  t.equal(cgroupDirectory(nested, parseProcCgroup('0::/node/x'), '')?.path, '/sys/fs/cgroup/x');
  t.equal(cgroupDirectory(nested, parseProcCgroup('0::/nodes/x'), ''), undefined);
  t.end();
});

t.test('no input makes them throw', (t) => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (noise) => {
      parseMountinfo(noise);
      parseMountinfo(`1 2 0:3 / /x rw ${noise}`);
      cgroupDirectory(cgroupMounts(parseMountinfo(noise)), parseProcCgroup(noise), 'pids');
    }),
    SEED,
  );
  t.end();
});
