import t from 'tap';
import { placeContainer } from '../../../../agent/inspector/container/mount-placement.ts';
import type { ControlSockets } from '../../../../agent/inspector/container/control-sockets.ts';
import type { NodeView } from '../../../../agent/inspector/container/node-view.ts';
import { createMountTable } from '../../../../agent/inspector/proc/mount-table.ts';
import { overlayLayers, parseMountinfo } from '../../../../agent/inspector/proc/mountinfo.ts';
import type { Mount } from '../../../../posture/fact/container.ts';
import { seen } from '../../../../posture/observed.ts';
import type { Observed } from '../../../../posture/observed.ts';
import { containerFact, mountOf, numbered } from '../../../fixture/container.ts';
import { INITIAL, treeHost } from '../../../fixture/inspector/tree.ts';

const NODE = `
22 1 0:32 /@ / rw shared:1 - btrfs /dev/vda2 rw,subvol=/@
23 22 0:32 /@home /home rw shared:2 - btrfs /dev/vda2 rw,subvol=/@home
24 22 0:25 / /run rw shared:3 - tmpfs tmpfs rw
25 22 8:17 / /srv/disk rw - ext4 /dev/sdb1 rw
26 22 8:17 /shop /var/www rw - ext4 /dev/sdb1 rw
27 22 0:60 / /var/lib/docker/volumes/o/_data rw - overlay overlay rw,lowerdir=/etc/a\\134:b:/srv/b,upperdir=/srv/u,workdir=/w
28 24 0:4 net:[4026532999] /run/docker/netns/1 rw - nsfs nsfs rw
29 22 0:21 / /proc rw - proc proc rw
`.trimStart();

const inodes = Object.fromEntries(
  Object.entries(INITIAL).map(([name, inode]): [string, Observed<number>] => [name, seen(inode, `/proc/1/ns/${name}`)]),
) as NodeView['node']['namespaces']['inodes'];
const mounts: NodeView['mounts'] = { ok: true, value: createMountTable(parseMountinfo(NODE)) };
const sockets: ControlSockets = {
  sockets: [
    { path: '/run/docker.sock', device: '0:25', root: '/docker.sock', fileId: '25:7', links: 1, isDirectory: false },
    { path: '/run/containerd/s', device: '0:25', root: '/containerd/s', fileId: '25:8', links: 1, isDirectory: true },
  ],
  abstract: ['@/containerd-shim/moby/shim.sock@'],
  problem: undefined,
};

async function placed(
  test: Parameters<typeof treeHost>[0],
  lines: readonly Mount[],
  view: Partial<Pick<NodeView, 'mounts' | 'sockets'>> = {},
  namespaces = containerFact().namespaces,
): Promise<Awaited<ReturnType<typeof placeContainer>>> {
  const node = { namespaces: { inodes, seesAll: true }, cgroups: [], labelFile: undefined };
  const whole = { host: treeHost(test, {}), node, mounts, sockets, ...view } as unknown as NodeView;
  const table = seen(
    numbered([mountOf({ mountPoint: '/', fsType: 'overlay', device: '0:99' }), ...lines]),
    'mountinfo',
  );
  return placeContainer(whole, { namespaces, mounts: table, mountNamespaces: [] });
}

const at = (mount: Partial<Mount>): Mount =>
  mountOf({ mountPoint: '/x', origin: 'unresolved', nodePaths: [], ...mount });

t.test('what the node shows once more at another place', async (t) => {
  const table = createMountTable(
    parseMountinfo(
      [
        '22 1 8:1 / / rw - ext4 /dev/sda1 rw',
        '23 22 8:1 / /run/copy rw - ext4 /dev/sda1 rw',
        '24 22 8:1 / /var/lib/docker/volumes/v/_data rw - ext4 /dev/sda1 rw',
        '25 22 8:1 /data/units /etc/systemd/system/shop rw - ext4 /dev/sda1 rw',
        '26 22 8:2 /@ /srv rw - btrfs /dev/sda2 rw,subvol=/@',
        '27 22 8:2 / /srv/top rw - btrfs /dev/sda2 rw',
        '28 22 8:2 / /mnt/top rw - btrfs /dev/sda2 rw',
        '',
      ].join('\n'),
    ),
  );
  const expect = async (mount: Partial<Mount>, paths: readonly string[], whole: Mount['wholePaths']): Promise<void> => {
    const { mounts: all } = await placed(t, [at(mount)], { mounts: { ok: true, value: table } });
    const line = all.state === 'seen' ? all.value.find(({ mountPoint }) => mountPoint === '/x') : undefined;
    t.strictSame([line?.nodePaths, line?.wholePaths], [paths, whole], JSON.stringify(mount));
  };
  await expect({ device: '8:1', root: '/etc' }, ['/etc'], []);
  await expect(
    { device: '8:1', root: '/data/units/a' },
    ['/data/units/a', '/etc/systemd/system/shop/a'],
    [
      { path: '/data/units/a', mountPoint: '/' },
      { path: '/etc/systemd/system/shop/a', mountPoint: '/etc/systemd/system/shop' },
    ],
  );
  // A part of it is mounted elsewhere.
  await expect(
    { device: '8:1', root: '/data' },
    ['/data', '/etc/systemd/system/shop'],
    [{ path: '/data', mountPoint: '/' }],
  );
  await expect(
    { device: '8:2', root: '/@/a' },
    ['/srv/a', '/mnt/top/@/a'],
    [
      { path: '/srv/a', mountPoint: '/srv' },
      { path: '/mnt/top/@/a', mountPoint: '/mnt/top' },
    ],
  );
});

t.test('where a mount is on the node', async (t) => {
  const expect = async (mount: Partial<Mount>, origin: Mount['origin'], ...paths: readonly string[]): Promise<void> => {
    const { mounts: all } = await placed(t, [at(mount)]);
    const line = all.state === 'seen' ? all.value.find(({ mountPoint }) => mountPoint === '/x') : undefined;
    t.match(line, { origin }, JSON.stringify(mount));
    t.strictSame(line?.nodePaths, paths, JSON.stringify(mount));
  };
  await expect({ device: '0:32', root: '/@/etc', fsType: 'btrfs' }, 'node', '/etc');
  await expect({ device: '0:32', root: '/@home/ann', fsType: 'btrfs' }, 'node', '/home/ann');
  await expect({ device: '0:32', root: '/', fsType: 'btrfs' }, 'node', '/', '/home');
  await expect({ device: '0:32', root: '/@snapshots/1', fsType: 'btrfs' }, 'unresolved');
  await expect({ device: '8:17', root: '/shop/logs' }, 'node', '/srv/disk/shop/logs', '/var/www/logs');
  await expect({ device: '8:17', root: '/shopping' }, 'node', '/srv/disk/shopping');
  await expect({ device: '8:17', root: '/' }, 'node', '/srv/disk', '/var/www');
  await expect({ device: '8:17', root: '/shop/old//deleted' }, 'node', '/srv/disk/shop/old', '/var/www/old');
  await expect({ device: '0:25', root: '/docker.sock', fsType: 'tmpfs', source: 'tmpfs' }, 'node', '/run/docker.sock');
  await expect({ device: '0:77', root: '/', fsType: 'tmpfs', source: '/run' }, 'container');
  await expect({ device: '8:33', root: '/' }, 'unresolved');
  await expect({ device: '0:21', root: '/sys', fsType: 'proc', source: 'proc' }, 'node', '/proc/sys');
  await expect({ device: '0:61', root: '/', fsType: 'proc', source: 'proc' }, 'container');
  await expect({ device: '0:4', root: `net:[${String(INITIAL.net)}]`, fsType: 'nsfs' }, 'node', '/proc/1/ns/net');
  await expect({ device: '0:4', root: 'net:[4026532999]', fsType: 'nsfs' }, 'node', '/run/docker/netns/1');
  await expect({ device: '0:4', root: 'net:[4026533000]', fsType: 'nsfs' }, 'container');
  await expect(
    { device: '0:60', root: '/', fsType: 'overlay', source: 'overlay' },
    'node',
    '/var/lib/docker/volumes/o/_data',
    '/etc/a:b',
    '/srv/b',
    '/srv/u',
  );
});

t.test('peer groups of the node', async (t) => {
  const { mounts: all } = await placed(t, [
    at({ mountPoint: '/x', peerGroup: 2 }),
    at({ mountPoint: '/y', peerGroup: 9 }),
  ]);
  t.match(all, { value: [{}, { sharedWithNode: true }, { sharedWithNode: false }] });
});

t.test('without the mounts of the node', async (t) => {
  const failed = { ok: false, code: 'denied', reason: 'permission denied (EACCES)' } as const;
  const unknown = { sockets: [], abstract: [], problem: 'permission denied (EACCES)' };
  const lines = [at({ mountPoint: '/x' }), at({ mountPoint: '/proc', fsType: 'proc', device: '0:61' })];
  const { mounts: all, controlSockets } = await placed(t, lines, { mounts: failed, sockets: unknown });
  t.match(all, { value: [{}, { origin: 'unresolved' }, { origin: 'container' }] });
  t.match(controlSockets, { state: 'unreadable', reason: /permission denied/ });
});

t.test('sockets that are reached', async (t) => {
  const run = { device: '0:25', fsType: 'tmpfs', source: 'tmpfs' };
  const reached = async (
    ...args: Parameters<typeof placed> extends [unknown, ...infer R] ? R : never
  ): Promise<unknown> => {
    const { controlSockets } = await placed(t, ...args);
    return controlSockets.state === 'seen'
      ? controlSockets.value.map(({ path, at: inside, covered }) => [path, inside, covered])
      : controlSockets.state;
  };
  t.strictSame(await reached([at({ ...run, root: '/docker.sock' })]), [['/run/docker.sock', '/x', false]]);
  t.strictSame(await reached([at({ ...run, root: '/' })]), [
    ['/run/docker.sock', '/x/docker.sock', false],
    ['/run/containerd/s', '/x/containerd/s', false],
  ]);
  t.strictSame(await reached([at({ ...run, root: '/containerd/s/0a1b' })]), [['/run/containerd/s', '/x', false]]);
  t.strictSame(await reached([at({ ...run, root: '/docker.socket' })]), []);
  const cover = mountOf({ mountPoint: '/x/docker.sock', fsType: 'tmpfs', device: '0:98' });
  t.match(await reached([at({ ...run, root: '/' }), cover]), [
    ['/run/containerd/s', '/x/containerd/s', false],
    ['/run/docker.sock', '/x/docker.sock', true],
  ]);
  t.equal(
    await reached([at({ ...run, root: '/shop//deleted' })]),
    'unreadable',
    'it may be the socket by another name',
  );
  const { namespaces } = containerFact();
  const ofNode = { ...namespaces, net: seen({ inode: INITIAL.net, host: true }, '/proc/4121/ns/net') };
  t.match(await reached([], {}, ofNode), [['@/containerd-shim/moby/shim.sock@']]);
  t.strictSame(await reached([]), []);
});

t.test('layers of an overlay', (t) => {
  t.strictSame(overlayLayers('rw,lowerdir=l/A:l/B,upperdir=/u'), ['/u'], "relative paths are the engine's");
  t.strictSame(overlayLayers('rw,lowerdir+=/a,lowerdir+=/b\\134,c,datadir+=/d'), ['/a', '/b,c', '/d']);
  t.strictSame(overlayLayers('rw,lowerdir=/a::/d,workdir=/w'), ['/a', '/d']);
  t.end();
});
