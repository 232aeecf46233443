import { chmodSync, chownSync } from 'node:fs';
import { join } from 'node:path';
import * as fc from 'fast-check';
import t from 'tap';
import type { Test } from 'tap';
import { parseBootParameters } from '../../../../agent/inspector/kernel/boot-parameters.ts';
import { kernelInspector } from '../../../../agent/inspector/kernel/inspect.ts';
import * as parse from '../../../../agent/inspector/kernel/parse.ts';
import { parseMountinfo } from '../../../../agent/inspector/proc/mountinfo.ts';
import { kernelSchema } from '../../../../posture/fact/kernel.ts';
import type { KernelFact } from '../../../../posture/fact/kernel.ts';
import { SEED } from '../../../fixture/inspector/read.ts';
import { INITIAL, namespaceLinks, statusWith, treeHost } from '../../../fixture/inspector/tree.ts';
import type { Tree } from '../../../fixture/inspector/tree.ts';
import { accessTo } from '../../../fixture/inspector/access.ts';

t.test('/etc/selinux/config', (t) => {
  // What selinux_getenforcemode(3) of libselinux 3.8 answers for these files.
  const answers: readonly (readonly [text: string, mode: string])[] = [
    ['SELINUX=permissive\nSELINUX=enforcing\n', 'permissive'],
    ['SELINUX=enforcing\nSELINUX=disabled\n', 'enforcing'],
    ['SELINUX=bogus\nSELINUX=permissive\n', 'permissive'],
    [' SELINUX=disabled\nSELINUX=enforcing\n', 'enforcing'],
    ['SELINUX= Enforcing # x\r\n', 'enforcing'],
    ['SELINUX=enforcingly', 'enforcing'],
    ['  SELINUX=enforcing\n', ''],
    ['SELINUX =enforcing\n', ''],
    ['SELINUX="enforcing"\n', ''],
    ['selinux=enforcing\n', ''],
    ['SELINUX=\nenforcing\n', ''],
  ];
  for (const [text, mode] of answers) t.equal(parse.parseSelinuxConfig(text), mode, JSON.stringify(text));
  t.end();
});

t.test('files of the kernel, as its documentation shows them', (t) => {
  t.same(parse.parseLsm('lockdown,capability,landlock,yama,apparmor,bpf\n'), [
    'lockdown',
    'capability',
    'landlock',
    'yama',
    'apparmor',
    'bpf',
  ]);
  t.equal(parse.parseLockdown('none [integrity] confidentiality\n'), 'integrity');
  t.equal(parse.parseLockdown('[none] integrity confidentiality\n'), 'none');
  t.equal(parse.parseLockdown('none integrity\n'), undefined);
  t.equal(parse.parseEnforce('1'), 'enforcing');
  t.equal(parse.parseEnforce('0'), 'permissive');
  t.equal(parse.parseSelinuxConfig('# SELINUX=disabled\nSELINUX=Enforcing\nSELINUXTYPE=targeted\n'), 'enforcing');
  t.equal(parse.parseSwitch('Y\n'), true);
  t.equal(parse.parseSwitch('N\n'), false);
  t.same(parse.parseApparmorProfiles('docker-default (enforce)\n/usr/bin/a b (complain)\nunconfined\n'), [
    { name: 'docker-default', mode: 'enforce' },
    { name: '/usr/bin/a b', mode: 'complain' },
  ]);
  t.equal(parse.parseSecureBoot(Uint8Array.of(6, 0, 0, 0, 1)), true);
  t.equal(parse.parseSecureBoot(Uint8Array.of(6, 0, 0, 0, 0)), false);
  t.equal(parse.parseSecureBoot(Uint8Array.of(1)), undefined);
  t.end();
});

t.test('boot parameters', (t) => {
  t.same(
    parseBootParameters(
      'BOOT_IMAGE=/vmlinuz root=UUID=1 ro mitigations=auto nokaslr mitigations=off slab-nomerge ' +
        'init="/bin/sh -c x" rd.luks.key=/secret module.sig_enforce=1 -- audit=0\n',
    ),
    { mitigations: 'off', nokaslr: '', slab_nomerge: '', init: '/bin/sh -c x', 'module.sig_enforce': '1' },
  );
  t.end();
});

t.test('version of control groups', (t) => {
  const of = (text: string): number | undefined => parse.cgroupVersion(parseMountinfo(text))?.version;
  const unified = '1 2 0:3 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n';
  t.equal(of(unified), 2);
  t.equal(of(`${unified}1 2 0:4 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n`), 2);
  t.equal(of(`${unified}1 2 0:4 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n`), 1);
  t.equal(of(''), undefined);
  t.end();
});

t.test('no input makes them throw', (t) => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (noise) => {
      parseBootParameters(noise);
      parse.parseLsm(noise);
      parse.parseLockdown(noise);
      parse.parseSelinuxConfig(noise);
      parse.parseApparmorProfiles(noise);
      parse.parseWords(noise);
      parse.parseNumber(noise);
    }),
    SEED,
  );
  t.end();
});

async function kernelOf(t: Test, tree: Tree): Promise<KernelFact> {
  const fact = await kernelInspector.inspect(await accessTo(t, treeHost(t, tree)), {});
  t.ok(kernelSchema.parse(fact).ok);
  return fact;
}

t.test('an empty directory where securityfs should be is not "no security modules"', async (t) => {
  const empty = await kernelOf(t, { '/sys/kernel/x': '' });
  t.match(empty.lsm, { state: 'unreadable', reason: /securityfs is not mounted/ });
  t.match(empty.lockdown, { state: 'unreadable' });
  const mounted = await kernelOf(t, { '/sys/kernel/security/lsm': 'capability,yama' });
  t.match(mounted.lsm, { state: 'seen', value: ['capability', 'yama'] });
  t.match(mounted.lockdown, { state: 'absent' }, 'a kernel without lockdown');
  t.match(mounted.apparmorProfiles, { state: 'absent' });
});

t.test('SELinux without its file system', async (t) => {
  const { selinux: hidden } = await kernelOf(t, { '/sys/kernel/security/lsm': 'capability,selinux' });
  t.match(hidden, { state: 'unreadable', reason: /selinuxfs is not mounted/ });
  const { selinux: off } = await kernelOf(t, { '/sys/kernel/security/lsm': 'capability' });
  t.match(off, { state: 'absent' });
  const registered = await kernelOf(t, { '/proc/filesystems': 'nodev\tselinuxfs\n\text4\n' });
  t.match(registered.selinux, { state: 'unreadable' });
  const enforcing = await kernelOf(t, { '/sys/fs/selinux/enforce': '1' });
  t.match(enforcing.selinux, { state: 'seen', value: 'enforcing' });
});

t.test('Secure Boot: BIOS, firmware without it, and a masked directory are three things', async (t) => {
  t.match((await kernelOf(t, { '/sys/firmware/acpi/x': '' })).secureBoot, { state: 'absent' });
  t.match((await kernelOf(t, { '/sys/firmware/efi/x': '' })).secureBoot, { state: 'unreadable', reason: /efivarfs/ });
  const other = '/sys/firmware/efi/efivars/BootOrder-8be4df61-93ca-11d2-aa0d-00e098032b8c';
  t.match((await kernelOf(t, { [other]: '' })).secureBoot, { state: 'seen', value: false });
  const on = '/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c';
  t.match((await kernelOf(t, { [on]: Uint8Array.of(6, 0, 0, 0, 1) })).secureBoot, { state: 'seen', value: true });
  // drivers/firmware/efi/libstub/secureboot.c: what the kernel takes for Secure Boot that is not in force.
  const efi = '/sys/firmware/efi/efivars';
  const setup = `${efi}/SetupMode-8be4df61-93ca-11d2-aa0d-00e098032b8c`;
  const shim = `${efi}/MokSBStateRT-605dab50-e046-4300-abb6-3dd810dd8b23`;
  const rows: readonly (readonly [Tree, Partial<KernelFact['secureBoot']>])[] = [
    [
      { [setup]: Uint8Array.of(6, 0, 0, 0, 0), [shim]: Uint8Array.of(6, 0, 0, 0, 0) },
      { state: 'seen', value: true },
    ],
    [{ [setup]: Uint8Array.of(6, 0, 0, 0, 1) }, { state: 'seen', value: false, source: setup }],
    [{ [shim]: Uint8Array.of(6, 0, 0, 0, 1) }, { state: 'seen', value: false, source: shim }],
    // Somebody wrote it from the running system: it outlives a restart.
    [{ [shim]: Uint8Array.of(7, 0, 0, 0, 1) }, { state: 'seen', value: true }],
    [{ [shim]: Uint8Array.of(6) }, { state: 'unreadable' }],
  ];
  for (const [files, expected] of rows)
    t.match((await kernelOf(t, { [on]: Uint8Array.of(6, 0, 0, 0, 1), ...files })).secureBoot, expected);
  const masked = '1 2 0:3 / /sys/firmware ro - tmpfs tmpfs ro\n';
  t.match((await kernelOf(t, { '/proc/self/mountinfo': masked })).secureBoot, {
    state: 'unreadable',
    reason: /masked/,
  });
});

t.test('interfaces with route_localnet', async (t) => {
  const conf = '/proc/sys/net/ipv4/conf';
  const self: Tree = { ...namespaceLinks(1, INITIAL), '/proc/self/ns/net': `-> net:[${String(INITIAL.net)}]` };
  const on = (values: Readonly<Record<string, string>>): Tree => ({
    ...self,
    ...(Object.fromEntries(
      Object.entries({ all: '0', default: '0', lo: '0', 'eth0.100': '0', ...values }).map(([name, value]) => [
        `${conf}/${name}/route_localnet`,
        `${value}\n`,
      ]),
    ) as Tree),
  });
  t.match((await kernelOf(t, on({}))).routeLocalnet, { state: 'seen', value: [] });
  const some = (await kernelOf(t, on({ 'eth0.100': '1', docker0: '1', default: '1', all: '1' }))).routeLocalnet;
  t.same(some.state === 'seen' && some.value, ['all', 'default', 'docker0', 'eth0.100']);
  const many = Object.fromEntries(Array.from({ length: 200 }, (_, index) => [`Veth${String(index)}`, '1']));
  t.match((await kernelOf(t, on({ ...many, all: '1' }))).routeLocalnet, { value: ['all'] });
  t.match((await kernelOf(t, self)).routeLocalnet, { state: 'absent' });
  t.match((await kernelOf(t, { ...on({}), '/proc/self/ns/net': '-> net:[7]' })).routeLocalnet, {
    state: 'unreadable',
    reason: /net namespace/,
  });
});

t.test('the helper for core dumps', { skip: process.getuid?.() !== 0 && 'files are given away' }, async (t) => {
  const helper = async (pattern: string, tree: Tree = {}, change: (root: string) => void = () => {}) => {
    const host = treeHost(t, { '/proc/sys/kernel/core_pattern': `${pattern}\n`, '/usr/local/lib/h': '', ...tree });
    change(host.root);
    return (await kernelInspector.inspect(await accessTo(t, host), {})).coreHelper;
  };
  const ofRoot = { path: '/usr/local/lib/h', isMissing: false, changeable: '' };
  t.match(await helper('|/usr/local/lib/h %P %u'), { state: 'seen', value: ofRoot });
  const changes: readonly (readonly [string, (path: string) => void])[] = [
    ['/usr/local/lib/h', (path) => chmodSync(path, 0o777)],
    ['/usr/local/lib/h', (path) => chmodSync(path, 0o775)],
    ['/usr/local/lib/h', (path) => chownSync(path, 1000, 0)],
    ['/usr/local/lib', (path) => chmodSync(path, 0o777)],
    ['/usr/local', (path) => chownSync(path, 1000, 1000)],
  ];
  for (const [path, change] of changes)
    t.match(await helper('|/usr/local/lib/h', {}, (root) => change(join(root, path))), {
      value: { changeable: new RegExp(`^${path} is writable by`) },
    });
  const link = { '/usr/lib/h': '-> /srv/h', '/srv/h': '' };
  t.match(await helper('|/usr/lib/h', link), { value: { path: '/srv/h', changeable: '' } });
  t.match(await helper('|/usr/lib/h', link, (root) => chmodSync(join(root, 'srv'), 0o777)), {
    value: { changeable: /^\/srv is writable by everybody/ },
  });
  t.match(await helper('|/usr/lib/absent'), { value: { isMissing: true, changeable: '' } });
  t.match(await helper('|/tmp/absent', { '/tmp/x': '' }, (root) => chmodSync(join(root, 'tmp'), 0o777)), {
    value: { changeable: /writable by everybody/ },
  });
  t.match(await helper('|/usr/lib/%e'), { value: { changeable: /process that crashes/ } });
  t.match(await helper('|/proc/%P/root/x'), { value: { changeable: /./ } });
  t.match(await helper('|/proc/123/root/x'), { value: { changeable: /\/proc/ } });
  t.match(await helper('core'), { state: 'absent' });
});

t.test('the largest process id is that of a pid namespace since Linux 6.14', async (t) => {
  const pidMax = async (release: string, pid: number) => {
    const node: Tree = {
      '/proc/sys/kernel/pid_max': '4194304\n',
      '/proc/sys/kernel/osrelease': `${release}\n`,
      ...namespaceLinks(1, INITIAL),
      '/proc/self/ns/pid': `-> pid:[${String(pid)}]`,
    };
    return (await kernelOf(t, node)).sysctls['kernel.pid_max']?.state;
  };
  for (const release of ['6.14.0-rc1', '6.18.44', '7.0.1-arch1', 'unknown'])
    t.equal(await pidMax(release, 7), 'unreadable', release);
  for (const release of ['6.13.12', '6.1.0-41-amd64', '5.15.0-160-generic'])
    t.equal(await pidMax(release, 7), 'seen', release);
  t.equal(await pidMax('6.18.44', INITIAL.pid), 'seen');
});

t.test('settings of the network are only read in the network of the node', async (t) => {
  const node: Tree = {
    '/proc/sys/net/core/bpf_jit_harden': '1\n',
    '/proc/sys/kernel/kptr_restrict': '2\n',
    ...namespaceLinks(1, INITIAL),
  };
  const name = 'net.core.bpf_jit_harden';
  const links = (net: number): Tree => ({
    '/proc/self/ns/net': `-> net:[${String(net)}]`,
    '/proc/self/ns/user': `-> user:[${String(INITIAL.user)}]`,
  });
  const within = await kernelOf(t, { ...node, ...links(INITIAL.net) });
  t.match(within.sysctls[name], { state: 'seen', value: '1' });
  const outside = await kernelOf(t, { ...node, ...links(7) });
  t.match(outside.sysctls[name], { state: 'unreadable', reason: /not in the net namespace of the node/ });
  t.match(outside.sysctls['kernel.kptr_restrict'], { state: 'seen', value: '2' });
  t.match(outside.sysctls['kernel.yama.ptrace_scope'], { state: 'absent' });
  const unknown = await kernelOf(t, { '/proc/sys/net/core/bpf_jit_harden': '1\n' });
  t.match(unknown.sysctls[name], { state: 'unreadable' });
  const kthreadd = statusWith({ Name: 'kthreadd' }).replaceAll(/^Vm.*\n/gm, '');
  const whole = await kernelOf(t, { '/proc/sys/net/core/bpf_jit_harden': '1\n', '/proc/2/status': kthreadd });
  t.match(whole.sysctls[name], { state: 'seen' }, 'nothing to compare with, but all of the machine is visible');
});
