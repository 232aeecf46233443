import * as fc from 'fast-check';
import t from 'tap';
import type { Test } from 'tap';
import { hostInspector } from '../../../../agent/inspector/host/inspect.ts';
import { deniedModules, modulesDeniedAtBoot, rareModulesIn } from '../../../../agent/inspector/host/modules.ts';
import { HOST_CHECKS } from '../../../../posture/check/host/host-checks.ts';
import { HOST_LAYOUT_CHECKS } from '../../../../posture/check/host/layout-checks.ts';
import { hostSchema } from '../../../../posture/fact/host.ts';
import type { HostFact } from '../../../../posture/fact/host.ts';
import { factsOf, kernelFact } from '../../../fixture/facts.ts';
import { NODE_TREE } from '../../../fixture/inspector/daemon.ts';
import { recordedText, SEED } from '../../../fixture/inspector/read.ts';
import { treeHost } from '../../../fixture/inspector/tree.ts';
import type { Tree } from '../../../fixture/inspector/tree.ts';
import { accessTo } from '../../../fixture/inspector/access.ts';

async function inspect(t: Test, tree: Tree): Promise<HostFact> {
  const host = treeHost(t, { ...NODE_TREE, '/proc/sys/kernel/osrelease': '6.1.0-18-amd64\n', ...tree });
  const fact = await hostInspector.inspect(await accessTo(t, host), {});
  t.ok(hostSchema.parse(fact).ok);
  return fact;
}

/** The ids of checks that fail for a node. */
function failing(fact: HostFact): readonly string[] {
  const facts = factsOf({ host: fact, kernel: kernelFact({ release: '6.1.0-18-amd64' }) });
  return [...HOST_CHECKS, ...HOST_LAYOUT_CHECKS]
    .filter((check) => check.judge(facts).verdict === 'fail')
    .map(({ id }) => id);
}

const PROC: Tree = {
  '/proc/modules': 'overlay 151552 0 - Live 0x0\n',
  '/proc/swaps': 'Filename Type Size Used Priority\n',
};

/** The layout of each distribution, as its base system has it. */
const LAYOUTS: Readonly<Record<string, Tree>> = {
  debian: {
    ...PROC,
    '/etc/os-release': 'ID=debian\n',
    '/lib/modules/6.1.0-18-amd64/modules.dep': 'kernel/fs/overlayfs/overlay.ko:\n',
  },
  almalinux: {
    ...PROC,
    '/etc/os-release': 'ID="almalinux"\n',
    '/etc/modprobe.d/sctp-blacklist.conf': 'blacklist sctp\n',
    '/lib/modules/6.1.0-18-amd64/modules.dep': 'kernel/net/sctp/sctp.ko.xz: kernel/x.ko.xz\n',
  },
  opensuse: {
    ...PROC,
    '/usr/lib/os-release': 'ID="sle-micro"\n',
    '/usr/lib/modprobe.d/60-blacklist_fs-hfs.conf': 'blacklist hfs\n',
    '/lib/modules/6.1.0-18-amd64/modules.dep': 'kernel/fs/hfs/hfs.ko.zst:\n',
  },
  alpine: {
    ...PROC,
    '/etc/os-release': 'ID=alpine\n',
  },
  flatcar: {
    ...PROC,
    '/usr/lib/os-release': 'ID=flatcar\n',
  },
  ubuntu: {
    ...PROC,
    '/etc/os-release': 'ID=ubuntu\nID_LIKE=debian\n',
    '/lib': '-> usr/lib',
    '/usr/lib/modules/6.1.0-18-amd64/modules.dep': 'kernel/fs/overlayfs/overlay.ko.zst:\n',
  },
  // The root is a read-only image with dm-verity; /local is on the second disk, /var is mounted from there.
  bottlerocket: {
    ...PROC,
    '/usr/lib/os-release': 'ID=bottlerocket\nVARIANT_ID=aws-k8s-1.33\n',
    '/etc/os-release': '-> ../usr/lib/os-release',
    '/proc/1/mountinfo': [
      '22 1 253:0 / / ro,relatime shared:1 - ext4 /dev/dm-0 ro',
      '30 22 259:9 / /local rw,nosuid,nodev,noatime shared:2 - xfs /dev/nvme1n1p1 rw',
      '31 22 259:9 /var /var rw,nosuid,nodev,noatime shared:3 - xfs /dev/nvme1n1p1 rw',
      '32 22 0:30 / /tmp rw,nosuid,nodev,noexec shared:4 - tmpfs tmpfs rw',
      '',
    ].join('\n'),
    '/var/lib/containerd/x': '',
    '/var/lib/kubelet/x': '',
  },
  talos: {
    ...PROC,
    '/etc/os-release': 'ID=talos\n',
  },
};

t.test('no layout of a distribution fails', async (t) => {
  for (const [name, tree] of Object.entries(LAYOUTS)) t.same(failing(await inspect(t, tree)), [], name);
});

t.test('one change, one failure', async (t) => {
  const changes: readonly (readonly [Tree, string])[] = [
    [{ '/run/reboot-required': '' }, 'host.kernel-current'],
    [{ '/lib/modules/6.1.0-21-amd64/modules.dep': '' }, 'host.kernel-current'],
    [{ '/lib/modules/6.1.0-18-amd64/modules.dep': 'kernel/net/tipc/tipc.ko:\n' }, 'host.rare-modules'],
    [{ '/proc/modules': 'sctp 1 0 - Live 0x0\n' }, 'host.rare-modules'],
    [{ '/proc/swaps': 'Filename Type Size Used Priority\n/dev/sda2 partition 1 0 -2\n' }, 'host.swap'],
  ];
  for (const [change, id] of changes) t.same(failing(await inspect(t, { ...LAYOUTS['debian'], ...change })), [id], id);
});

t.test(
  'open ports are those of a kernel that listens, of the table of the node, and of no loopback address',
  async (t) => {
    const recorded = { '/proc/1/net/tcp': recordedText('net/tcp'), '/proc/1/net/tcp6': recordedText('net/tcp6') };
    const { openPorts } = await inspect(t, recorded);
    // As `ss -ltn` showed them when the tables were recorded.
    const ports = [
      { port: 2024, addresses: ['0.0.0.0'] },
      { port: 2222, addresses: ['0.0.0.0', '::'] },
      { port: 4245, addresses: ['::'] },
    ];
    t.strictSame(openPorts.state === 'seen' && openPorts.value, { ports, more: 0 });
    t.match((await inspect(t, {})).openPorts, { state: 'unreadable' }, 'no table');

    // Everyone may listen, on any number of ports and addresses: none of his sockets hides that there are more.
    const line = (address: string, port: number): string =>
      `0: ${address}:${port.toString(16).padStart(4, '0').toUpperCase()} 00000000:0000 0A 0:0 0:0 0 0 0 7 1`;
    const many = [
      ...Array.from({ length: 3000 }, (_, index) => line('00000000', 10_000 + index)),
      ...Array.from({ length: 300 }, (_, index) => line(index.toString(16).padStart(8, '0').toUpperCase(), 22)),
    ];
    const flooded = await inspect(t, { '/proc/1/net/tcp': many.join('\n') });
    const listed = flooded.openPorts.state === 'seen' ? flooded.openPorts.value : { ports: [], more: 0 };
    t.match(listed.ports[0], { port: 22, addresses: { length: 8 } });
    t.equal(listed.ports.length + listed.more, 3001);
  },
);

t.test('policy modules that semanage made', async (t) => {
  const modules = '/var/lib/selinux/targeted/active/modules';
  const fact = await inspect(t, {
    [`${modules}/400/permissive_container_t/cil`]: '',
    [`${modules}/100/container/cil`]: '',
    [`${modules}/disabled/x`]: '',
  });
  t.match(fact.permissiveDomains, { value: ['container_t'] });
});

/** A device of /sys/block with what it stands on. */
function device(
  name: string,
  { uuid, on = [], more = {} }: { uuid?: string; on?: readonly string[]; more?: Tree },
): Tree {
  const at = `/sys/block/${name}`;
  return {
    ...(uuid === undefined ? {} : { [`${at}/dm/uuid`]: `${uuid}\n` }),
    ...(Object.fromEntries(on.map((slave) => [`${at}/slaves/${slave}/size`, '1\n'])) as Tree),
    ...(Object.fromEntries(Object.entries(more).map(([file, text]) => [`${at}/${file}`, text])) as Tree),
  };
}
const LUKS = 'CRYPT-LUKS2-0123456789abcdef0123456789abcdef-cryptswap';
const swapOn = (path: string, type = 'partition'): Tree => ({
  '/proc/swaps': `Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n${path}\t${type}\t8388604\t0\t-2\n`,
});
const ROOT_ON = (source: string, number: string, fsType = 'ext4'): Tree => ({
  '/proc/1/mountinfo': `22 1 ${number} / / rw,relatime shared:1 - ${fsType} ${source} rw\n`,
});

// What reaches a disk in the clear: the targets of the device mapper, zram.rst, and where a swap file is.
const AREAS: readonly (readonly [name: string, tree: Tree, isProtected: boolean])[] = [
  ['a partition', swapOn('/dev/sda2'), false],
  ['dm-crypt', { ...swapOn('/dev/dm-1'), ...device('dm-1', { uuid: LUKS, on: ['sda2'] }) }, true],
  [
    'plain dm-crypt with a random key',
    { ...swapOn('/dev/dm-1'), ...device('dm-1', { uuid: 'CRYPT-PLAIN-swap' }) },
    true,
  ],
  [
    'integrity alone',
    { ...swapOn('/dev/dm-1'), ...device('dm-1', { uuid: 'CRYPT-INTEGRITY-swap', on: ['sda2'] }) },
    false,
  ],
  ['verity', { ...swapOn('/dev/dm-1'), ...device('dm-1', { uuid: 'CRYPT-VERITY-0123-x', on: ['sda2'] }) }, false],
  ['LVM on a disk', { ...swapOn('/dev/dm-1'), ...device('dm-1', { uuid: 'LVM-x', on: ['sda2'] }) }, false],
  [
    'LVM on LUKS',
    { ...swapOn('/dev/dm-1'), ...device('dm-1', { uuid: 'LVM-x', on: ['dm-0'] }), ...device('dm-0', { uuid: LUKS }) },
    true,
  ],
  [
    'LVM on LUKS and on a disk',
    {
      ...swapOn('/dev/dm-1'),
      ...device('dm-1', { uuid: 'LVM-x', on: ['dm-0', 'sdb'] }),
      ...device('dm-0', { uuid: LUKS }),
    },
    false,
  ],
  [
    'integrity on LUKS on RAID',
    {
      ...swapOn('/dev/dm-2'),
      ...device('dm-2', { uuid: 'CRYPT-INTEGRITY-x', on: ['dm-1'] }),
      ...device('dm-1', { uuid: LUKS, on: ['md0'] }),
      ...device('md0', { on: ['sda', 'sdb'] }),
    },
    true,
  ],
  [
    'a node of a system without udev',
    { ...swapOn('/dev/mapper/s'), '/dev/mapper/s': '', ...device('dm-1', { uuid: LUKS, more: { 'dm/name': 's\n' } }) },
    true,
  ],
  [
    'a link of udev',
    { ...swapOn('/dev/mapper/s'), '/dev/mapper/s': '-> ../dm-1', '/dev/dm-1': '', ...device('dm-1', { uuid: LUKS }) },
    true,
  ],
  ['zram of an old kernel', swapOn('/dev/zram0'), true],
  ['zram', { ...swapOn('/dev/zram0'), ...device('zram0', { more: { backing_dev: 'none\n' } }) }, true],
  [
    'zram with a disk behind',
    { ...swapOn('/dev/zram0'), ...device('zram0', { more: { backing_dev: '/dev/sdb1\n' } }) },
    false,
  ],
  [
    'zram with an encrypted disk behind',
    {
      ...swapOn('/dev/zram0'),
      ...device('zram0', { more: { backing_dev: '/dev/dm-0\n' } }),
      ...device('dm-0', { uuid: LUKS }),
    },
    true,
  ],
  [
    'a file on a disk',
    {
      ...swapOn('/swap\\040file', 'file'),
      ...ROOT_ON('/dev/sda1', '8:1'),
      '/sys/dev/block/8:1': '-> ../../devices/sda/sda1',
    },
    false,
  ],
  [
    'a file on LUKS',
    {
      ...swapOn('/swapfile', 'file'),
      ...ROOT_ON('/dev/mapper/root', '254:0'),
      '/sys/dev/block/254:0': '-> ../../devices/virtual/block/dm-0',
      ...device('dm-0', { uuid: LUKS }),
    },
    true,
  ],
  [
    'a file on btrfs on LUKS',
    { ...swapOn('/swapfile', 'file'), ...ROOT_ON('/dev/dm-0', '0:25', 'btrfs'), ...device('dm-0', { uuid: LUKS }) },
    true,
  ],
  [
    'a loop device on a file on a disk',
    {
      ...swapOn('/dev/loop0'),
      ...device('loop0', { more: { 'loop/backing_file': '/swap.img\n' } }),
      ...ROOT_ON('/dev/sda1', '8:1'),
    },
    false,
  ],
];
t.test('swap areas', async (t) => {
  for (const [name, tree, isProtected] of AREAS) {
    const { swap } = await inspect(t, tree);
    t.match(swap, { state: 'seen', value: [{ protected: isProtected }] }, name);
  }
});

t.test('handlers of binary formats', async (t) => {
  const fact = await inspect(t, {
    '/proc/sys/fs/binfmt_misc/register': '',
    '/proc/sys/fs/binfmt_misc/status': 'enabled\n',
    // As the kernel prints it, binfmt-misc.rst.
    '/proc/sys/fs/binfmt_misc/qemu-arm':
      'enabled\ninterpreter /usr/bin/qemu-arm\nflags: OCF\noffset 0\nmagic 7f454c46\n',
    '/proc/sys/fs/binfmt_misc/off': 'disabled\ninterpreter /x\nflags: C\n',
  });
  t.match(fact.binaryFormats, { value: [{ name: 'qemu-arm', interpreter: '/usr/bin/qemu-arm', flags: 'OCF' }] });
});

t.test('modules that the kernel does not load', async (t) => {
  const debian = LAYOUTS['debian'] ?? {};
  const installed = {
    ...debian,
    '/lib/modules/6.1.0-18-amd64/modules.dep': 'kernel/net/tipc/tipc.ko:\nkernel/drivers/usb/storage/usb-storage.ko:\n',
  };
  const rows: readonly (readonly [Tree, readonly string[]])[] = [
    [{}, ['host.rare-modules']],
    [{ '/proc/sys/kernel/modules_disabled': '1\n' }, []],
    [{ '/proc/sys/kernel/modules_disabled': '1\n', '/proc/modules': 'tipc 1 0 - Live 0x0\n' }, ['host.rare-modules']],
    [
      { '/proc/sys/kernel/modules_disabled': '0\n', '/proc/sys/kernel/modprobe': '/sbin/modprobe\n' },
      ['host.rare-modules'],
    ],
    // kernel.rst: no module is loaded when something asks for it.
    [{ '/proc/sys/kernel/modprobe': '\n' }, []],
    [{ '/proc/cmdline': 'ro module_blacklist=tipc,usb_storage quiet\n' }, []],
    [{ '/proc/cmdline': 'module-blacklist=tipc,usb_storage\n' }, []],
    // The kernel compares the name of the module, which has no hyphen.
    [{ '/proc/cmdline': 'module_blacklist=tipc,usb-storage\n' }, ['host.rare-modules']],
    [{ '/proc/cmdline': 'modprobe.blacklist=tipc modprobe.blacklist=usb-storage\n' }, []],
    [{ '/proc/cmdline': 'module_blacklist=tipc,usb_storage module_blacklist=sctp\n' }, ['host.rare-modules']],
    [{ '/proc/cmdline': 'quiet -- module_blacklist=tipc,usb_storage\n' }, ['host.rare-modules']],
  ];
  for (const [files, fails] of rows)
    t.same(failing(await inspect(t, { ...installed, ...files })), fails, JSON.stringify(files));
});

t.test('what modprobe reads', (t) => {
  t.same(
    deniedModules(
      '# install udf /bin/true\ninstall usb-storage /bin/false\ninstall dccp /usr/bin/true \nblacklist rds\ninstall tipc /sbin/x\n',
    ),
    ['usb_storage', 'dccp', 'rds'],
  );
  t.same(
    rareModulesIn('kernel/drivers/usb/storage/usb-storage.ko: a\nkernel/fs/udf/udf.ko.zst:\nkernel/x/nosctp.ko:\n'),
    ['udf', 'usb_storage'],
  );
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (noise) => {
      deniedModules(noise);
      rareModulesIn(noise);
      modulesDeniedAtBoot(noise);
    }),
    SEED,
  );
  t.end();
});
