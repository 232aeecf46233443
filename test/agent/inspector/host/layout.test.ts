import t from 'tap';
import { readConfinement, readFileSystems } from '../../../../agent/inspector/host/layout.ts';
import { createParseCache } from '../../../../agent/inspector/parse-cache.ts';
import { NODE_TREE, processTree } from '../../../fixture/inspector/daemon.ts';
import { treeHost } from '../../../fixture/inspector/tree.ts';

t.test('file systems of directories, links followed', async (t) => {
  const host = treeHost(t, {
    '/proc/1/mountinfo': [
      '22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw',
      // As `mount --bind /srv/containers /var/lib/containers` makes it.
      '32 22 254:0 /srv/containers /var/lib/containers rw,relatime shared:1 - ext4 /dev/vda rw',
      '31 22 254:2 / /data rw,relatime shared:3 - ext4 /dev/vdb rw',
      '',
    ].join('\n'),
    '/data/log/x': '',
    '/var/lib/containers/x': '',
    '/var/log': '-> /data/log',
    '/var/lib/kubelet/x': '',
  });
  const read = await readFileSystems({ host, cache: createParseCache() });
  t.same(read.state === 'seen' && read.value, [
    { path: '/var/lib/containers', mountPoint: '/var/lib/containers', isRoot: true },
    { path: '/var/lib/kubelet', mountPoint: '/', isRoot: true },
    { path: '/var/log', mountPoint: '/data', isRoot: false },
  ]);
  t.match(await readFileSystems({ host: treeHost(t, {}), cache: createParseCache() }), { state: 'unreadable' });
});

t.test('subvolumes of one btrfs', async (t) => {
  const host = treeHost(t, {
    '/proc/1/mountinfo': [
      '22 1 0:25 /@ / rw,relatime shared:1 - btrfs /dev/vda2 rw,subvol=/@',
      '30 22 0:25 /@log /var/log rw,relatime shared:2 - btrfs /dev/vda2 rw,subvol=/@log',
      '31 22 0:31 / /var/lib/kubelet rw,relatime shared:3 - btrfs /dev/vdb rw,subvol=/',
      '',
    ].join('\n'),
    '/var/log/x': '',
    '/var/lib/kubelet/x': '',
  });
  const read = await readFileSystems({ host, cache: createParseCache() });
  t.match(read, { value: [{ isRoot: false }, { path: '/var/log', isRoot: true }] });
});

t.test('daemons and their labels', async (t) => {
  const host = treeHost(t, {
    ...NODE_TREE,
    '/usr/bin/containerd': '',
    ...processTree(70, { comm: 'containerd', exe: '/usr/bin/containerd', status: { NoNewPrivs: '1', Seccomp: '2' } }),
    '/proc/70/attr/current': 'system_u:system_r:container_runtime_t:s0\0',
    // A user may call a program so.
    ...processTree(71, { comm: 'kubelet', exe: '/home/x/kubelet', status: { Uid: '1000\t1000\t1000\t1000' } }),
  });
  const read = await readConfinement({ host, cache: createParseCache() });
  t.match(read, {
    value: [
      {
        pid: 70,
        name: 'containerd',
        label: { value: 'system_u:system_r:container_runtime_t:s0' },
        noNewPrivileges: true,
        seccomp: true,
      },
    ],
  });
  t.equal(read.state === 'seen' && read.value.length, 1);
});
