import { readFileSync } from 'node:fs';
import t from 'tap';
import { createLinuxHost } from '../../../../agent/host/linux.ts';
import { readSysctls, readSysctlsOnDemand } from '../../../../agent/inspector/kernel/sysctls.ts';
import { isSysctlName } from '../../../../posture/fact/kernel.ts';
import { INITIAL, namespaceLinks, treeHost } from '../../../fixture/inspector/tree.ts';

await t.test('values are those of /proc/sys', async (t) => {
  const read = await readSysctlsOnDemand(createLinuxHost(), [
    'vm.swappiness',
    'kernel.threads-max',
    'vm.no_such_thing',
  ]);
  for (const [name, path] of [
    ['vm.swappiness', 'vm/swappiness'] as const,
    ['kernel.threads-max', 'kernel/threads-max'] as const,
  ])
    t.match(read[name], { state: 'seen', value: readFileSync(`/proc/sys/${path}`, 'utf8').trim() });
  t.match(read['vm.no_such_thing'], { state: 'unreadable', reason: 'the kernel of this node has no such sysctl' });
});

await t.test('what is mounted below /proc/sys is not opened', async (t) => {
  const files = { '/proc/sys/fs/binfmt_misc/status': 'enabled\n', '/proc/sys/fs/file-max': '100\n' };
  const host = treeHost(t, { ...namespaceLinks(1, INITIAL), ...namespaceLinks('self', INITIAL), ...files });
  const opened: string[] = [];
  const readFile: typeof host.readFile = (path, limits) => {
    opened.push(path);
    return host.readFile(path, limits);
  };
  const read = await readSysctlsOnDemand({ ...host, readFile }, ['fs.binfmt_misc.status', 'fs.file-max']);
  t.match(read['fs.binfmt_misc.status'], { state: 'unreadable', reason: /not a sysctl but a file system of its own/ });
  t.match(read['fs.file-max'], { state: 'seen', value: '100' });
  t.notOk(
    opened.some((path) => path.includes('binfmt_misc')),
    'an automount point: opening it mounts the file system',
  );
});

await t.test('keys are redacted, by name and by form', async (t) => {
  const host = treeHost(t, {
    ...namespaceLinks(1, INITIAL),
    ...namespaceLinks('self', INITIAL),
    '/proc/sys/net/ipv4/tcp_fastopen_key': '0a1b2c3d-4e5f6071-8293a4b5-c6d7e8f9\n',
    '/proc/sys/net/ipv6/conf/all/stable_secret': 'fe80::1234\n',
    '/proc/sys/kernel/core_pattern': '|/usr/bin/upload --token=hunter2hunter2 %p\n',
    '/proc/sys/kernel/hostname': `${'x'.repeat(5000)}\n`,
  });
  const names = [
    'net.ipv4.tcp_fastopen_key',
    'net.ipv6.conf.all.stable_secret',
    'kernel.core_pattern',
    'kernel.hostname',
  ];
  const read = await readSysctls(host, names);
  t.match(read['net.ipv4.tcp_fastopen_key'], { value: '[redacted]' });
  t.match(read['net.ipv6.conf.all.stable_secret'], { value: '[redacted]' });
  t.match(read['kernel.core_pattern'], { value: '|/usr/bin/upload --token=[redacted] %p' });
  t.match(read['kernel.hostname'], { state: 'seen' });
  const hostname = read['kernel.hostname'];
  t.ok(hostname?.state === 'seen' && hostname.value.length <= 1024, 'bounded');
});

await t.test('a name leads to a file below /proc/sys only', async (t) => {
  for (const name of [
    'net.ipv4.ip_forward',
    'kernel.threads-max',
    'net.ipv4.conf.br-0a1b.rp_filter',
    'fs.inotify.max_user_watches',
  ])
    t.ok(isSysctlName(name), name);
  for (const name of [
    '',
    'vm',
    '..',
    '../x',
    'vm..swappiness',
    'vm.',
    '.vm',
    'vm/swappiness',
    'vm.\0',
    'a.b\n',
    `vm.${'x'.repeat(200)}`,
  ])
    t.notOk(isSysctlName(name), JSON.stringify(name));
  const read = await readSysctls(createLinuxHost(), ['../../etc/passwd', 'vm....etc.passwd']);
  for (const observed of Object.values(read)) t.match(observed, { state: 'unreadable' });
});
