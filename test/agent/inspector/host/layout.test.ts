import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { readBootFiles, readConfinement, readFileSystems } from '../../../../agent/inspector/host/layout.ts';
import { parseNetworkPlugins } from '../../../../agent/inspector/kernel/parse.ts';
import { createParseCache } from '../../../../agent/inspector/parse-cache.ts';
import { NODE_TREE, processTree } from '../../../fixture/inspector/daemon.ts';
import { treeHost } from '../../../fixture/inspector/tree.ts';

// The password line is that of the manual of GRUB, section Authentication and authorisation.
t.test('files of the boot loader', async (t) => {
  const host = treeHost(t, {
    '/boot/grub2/grub.cfg': 'set superusers="root"\nmenuentry "x" {\n}\n',
    '/boot/grub2/user.cfg': 'GRUB2_PASSWORD=grub.pbkdf2.sha512.10000.geheim\n',
  });
  chmodSync(join(host.root, '/boot/grub2/user.cfg'), 0o600);
  const files = await readBootFiles(host);
  t.match(files, {
    value: [
      { path: '/boot/grub2/grub.cfg', mode: 0o644, password: true },
      { path: '/boot/grub2/user.cfg', mode: 0o600, password: true },
    ],
  });
  t.notMatch(JSON.stringify(files), /geheim/);
  const commented = treeHost(t, { '/boot/grub/grub.cfg': '# password_pbkdf2 root grub.pbkdf2\n' });
  t.match(await readBootFiles(commented), { value: [{ password: false }] });
  t.match(await readBootFiles(treeHost(t, {})), { state: 'absent' });
});

t.test('file systems of directories, links followed', async (t) => {
  const host = treeHost(t, {
    '/proc/1/mountinfo': [
      '22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw',
      '30 22 0:30 / /tmp rw,nosuid,nodev shared:2 - tmpfs tmpfs rw',
      '31 22 254:2 / /data rw,relatime shared:3 - ext4 /dev/vdb rw',
      '',
    ].join('\n'),
    '/tmp/x': '',
    '/data/log/x': '',
    '/var/log': '-> /data/log',
    '/var/lib/kubelet/x': '',
  });
  const read = await readFileSystems({ host, cache: createParseCache() });
  t.same(read.state === 'seen' && read.value, [
    { path: '/tmp', mountPoint: '/tmp', options: 'rw,nosuid,nodev' },
    { path: '/var/lib/kubelet', mountPoint: '/', options: 'rw,relatime' },
    { path: '/var/log', mountPoint: '/data', options: 'rw,relatime' },
  ]);
  t.match(await readFileSystems({ host: treeHost(t, {}), cache: createParseCache() }), { state: 'unreadable' });
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

t.test('interfaces of network plugins', (t) => {
  const line = (name: string): string => `${name}: 1000 10 0 0 0 0 0 0 1000 10 0 0 0 0 0 0`;
  const head = 'Inter-|   Receive\n face |bytes    packets';
  t.same(parseNetworkPlugins([head, line('  lo'), line('  eth0'), line('cilium_host'), line('vethab12')].join('\n')), [
    'cilium_host',
  ]);
  t.same(parseNetworkPlugins([head, line('cali0123456789a'), line('tunl0')].join('\n')), ['cali0123456789a', 'tunl0']);
  t.end();
});
