import t from 'tap';
import { sensitiveMount } from '../../../../posture/check/container/sensitive-mount.ts';
import type { Declared, Mount } from '../../../../posture/fact/container.ts';
import { seen, unreadable } from '../../../../posture/observed.ts';
import { CONTAINER_ID, DEFAULT_MOUNTS, mountOf, namespaceOf } from '../../../fixture/container.ts';
import { dockerApi, dockerFact } from '../../../fixture/facts.ts';
import { judgeContainers } from '../../../fixture/verdict-table.ts';
import type { ContainerRow } from '../../../fixture/verdict-table.ts';

const mountinfo = '/proc/4121/mountinfo';
const OTHER_ID = 'ab'.repeat(32);
const bind = (source: string, destination: string, changes: Partial<Declared['mounts'][number]> = {}) => ({
  type: 'bind',
  source,
  destination,
  writable: true,
  propagation: 'rprivate',
  ...changes,
});
const row = (
  name: string,
  declared: Declared['mounts'],
  lines: readonly Mount[],
  rest: Pick<ContainerRow, 'verdict' | 'severity' | 'seen' | 'reason' | 'facts'>,
): ContainerRow => ({
  name,
  container: { declared: { mounts: declared }, mounts: seen([...DEFAULT_MOUNTS, ...lines], mountinfo) },
  ...rest,
});

judgeContainers(t, sensitiveMount, [
  { name: "the default container has the engine's own files only", verdict: 'pass', seen: ['none'] },
  row('/etc, writable', [bind('/etc', '/x')], [mountOf({ root: '/etc', mountPoint: '/x' })], {
    verdict: 'fail',
    severity: 'critical',
    seen: ['254:0 /etc /x rw - ext4 /dev/vda', 'bind /etc -> /x rw'],
  }),
  row(
    '/etc/localtime, read-only',
    [bind('/etc/localtime', '/etc/localtime', { writable: false })],
    [mountOf({ root: '/usr/share/zoneinfo/UTC', mountPoint: '/etc/localtime', readOnly: true })],
    { verdict: 'fail', severity: 'low' },
  ),
  row('the whole node', [bind('/', '/host')], [mountOf({ mountPoint: '/host' })], {
    verdict: 'fail',
    severity: 'critical',
  }),
  row(
    'the whole node, read-only',
    [bind('/', '/host', { writable: false })],
    [
      mountOf({ mountPoint: '/host', readOnly: true }),
      mountOf({ root: '/srv', mountPoint: '/host/srv', readOnly: true }),
    ],
    {
      verdict: 'fail',
      severity: 'high',
      seen: ['254:0 / /host ro - ext4 /dev/vda', 'bind / -> /host ro'],
    },
  ),
  row(
    'a directory that holds a sensitive one',
    [bind('/var/lib', '/x')],
    [mountOf({ root: '/var/lib', mountPoint: '/x' })],
    {
      verdict: 'fail',
      severity: 'critical',
      reason: /^\/var\/lib of the host is mounted read-write$/,
    },
  ),
  row(
    'the destination does not matter',
    [bind('/srv/shop', '/etc/shop')],
    [mountOf({ root: '/srv/shop', mountPoint: '/etc/shop' })],
    { verdict: 'pass' },
  ),
  row('a name that only begins alike', [bind('/etcetera', '/x')], [mountOf({ root: '/etcetera', mountPoint: '/x' })], {
    verdict: 'pass',
  }),
  row(
    'a symbolic link: the kernel says where it leads',
    [bind('/srv/link', '/x')],
    [mountOf({ root: '/etc', mountPoint: '/x' })],
    {
      verdict: 'fail',
      severity: 'critical',
      seen: ['254:0 /etc /x rw - ext4 /dev/vda', 'bind /srv/link -> /x rw'],
    },
  ),
  row(
    'declared writable, mounted read-only since',
    [bind('/etc', '/x')],
    [mountOf({ root: '/etc', mountPoint: '/x', readOnly: true })],
    { verdict: 'fail', severity: 'high', seen: ['254:0 /etc /x ro - ext4 /dev/vda', 'bind /etc -> /x rw'] },
  ),
  row(
    'a volume of the engine',
    [bind('/var/lib/docker/volumes/shop/_data', '/x', { type: 'volume' })],
    [mountOf({ root: '/var/lib/docker/volumes/shop/_data', mountPoint: '/x' })],
    { verdict: 'pass' },
  ),
  row(
    'a volume that is a bind of /etc in disguise',
    [bind('/var/lib/docker/volumes/shop/_data', '/x', { type: 'volume' })],
    [mountOf({ root: '/etc', mountPoint: '/x' })],
    { verdict: 'fail', severity: 'critical', seen: ['254:0 /etc /x rw - ext4 /dev/vda'] },
  ),
  row('added after the start', [], [mountOf({ root: '/root', mountPoint: '/x' })], {
    verdict: 'fail',
    severity: 'critical',
    seen: ['254:0 /root /x rw - ext4 /dev/vda'],
  }),
  row(
    'a disk that nobody asked for',
    [],
    [mountOf({ mountPoint: '/x', source: '/dev/sdb1', device: '8:17', origin: 'unresolved' })],
    {
      verdict: 'fail',
      severity: 'critical',
    },
  ),
  // One container has a volume with the disk of the node in it, or with a directory of it.
  ...['/var/lib/docker/volumes/disk/_data', '/run/media/disk', '/var/lib/kubelet/pods/1/volumes/disk'].flatMap(
    (disk) => {
      const seenTwice = (mount: Mount): Mount => {
        const [path = ''] = mount.nodePaths;
        if (mount.device !== '254:0') return mount;
        const again = disk + path;
        const wholePaths = [
          { path, mountPoint: '/' },
          { path: again, mountPoint: disk },
        ];
        return { ...mount, nodePaths: [path, again], wholePaths };
      };
      const twice = (name: string, mount: Mount, rest: Pick<ContainerRow, 'verdict' | 'severity'>): ContainerRow => ({
        name: `${disk}: ${name}`,
        container: { mounts: seen([...DEFAULT_MOUNTS, mount].map(seenTwice), mountinfo) },
        ...rest,
      });
      return [
        twice('the files of the engine', mountOf({ root: '/srv/shop', mountPoint: '/x' }), { verdict: 'pass' }),
        twice('/etc', mountOf({ root: '/etc', mountPoint: '/x' }), { verdict: 'fail', severity: 'critical' }),
        twice('the disk', mountOf({ root: '/', mountPoint: '/x' }), { verdict: 'fail', severity: 'critical' }),
        twice(
          'files of another container',
          mountOf({ root: `/var/lib/docker/containers/${OTHER_ID}/hosts`, mountPoint: '/x' }),
          { verdict: 'fail', severity: 'critical' },
        ),
      ];
    },
  ),
  row(
    'a part of a directory is the volume of another container',
    [bind('/srv', '/x')],
    [
      mountOf({
        root: '/srv',
        mountPoint: '/x',
        nodePaths: ['/srv', '/var/lib/docker/volumes/v/_data'],
        wholePaths: [{ path: '/srv', mountPoint: '/' }],
      }),
    ],
    { verdict: 'pass' },
  ),
  row(
    'a part of a directory is mounted where the node starts programs',
    [bind('/srv', '/x')],
    [
      mountOf({
        root: '/srv',
        mountPoint: '/x',
        nodePaths: ['/srv', '/etc/cron.d'],
        wholePaths: [{ path: '/srv', mountPoint: '/' }],
      }),
    ],
    { verdict: 'fail', severity: 'critical' },
  ),
  row(
    'a directory that is mounted where units are loaded from',
    [bind('/srv/units', '/x')],
    [
      mountOf({
        root: '/srv/units',
        mountPoint: '/x',
        nodePaths: ['/srv/units', '/run/systemd/system'],
        wholePaths: [
          { path: '/srv/units', mountPoint: '/' },
          { path: '/run/systemd/system', mountPoint: '/run/systemd/system' },
        ],
      }),
    ],
    { verdict: 'fail', severity: 'critical' },
  ),
  // What Podman makes for a container, below its graph root and its run root.
  ...[
    ['/var/lib/containers/storage/overlay-containers', '/shm', '/dev/shm'],
    ['/data/graph/vfs-containers', '/shm', '/dev/shm'],
    ['/run/containers/storage/overlay-containers', '/.containerenv', '/run/.containerenv'],
    ['/run/containers/storage/btrfs-containers', '/run/secrets', '/run/secrets'],
    ['/var/lib/containers/storage/overlay-containers', '/secrets/key', '/run/secrets/key'],
  ].flatMap(([directory = '', file = '', mountPoint = '']) =>
    (
      [
        ['podman', CONTAINER_ID, '', 'pass'],
        ['podman', OTHER_ID, '', 'fail'],
        ['podman', OTHER_ID, `container:${OTHER_ID}`, file === '/shm' ? 'pass' : 'fail'],
        ['docker', CONTAINER_ID, '', 'fail'],
      ] as const
    ).map(([runtime, id, ipcMode, verdict]): ContainerRow => {
      const path = `${directory}/${id}/userdata${file}`;
      const row: ContainerRow = {
        name: `${path}, of ${runtime}, IPC mode ${ipcMode}`,
        container: {
          runtime,
          declared: { ipcMode, engineFiles: [] },
          mounts: seen(
            [...DEFAULT_MOUNTS.filter((mount) => mount.nodePaths.length === 0), mountOf({ root: path, mountPoint })],
            mountinfo,
          ),
        },
        verdict: directory.startsWith('/data') ? 'pass' : verdict,
      };
      return directory.startsWith('/run') && verdict === 'fail'
        ? Object.assign(row, { severity: 'high' as const })
        : row;
    }),
  ),
  {
    name: 'memory files of the node, through the IPC namespace of another container',
    container: {
      declared: { ipcMode: `container:${OTHER_ID}` },
      namespaces: { ipc: namespaceOf('ipc', 4026531839, true) },
      mounts: seen(
        [
          ...DEFAULT_MOUNTS.filter(({ mountPoint }) => mountPoint !== '/dev/shm'),
          mountOf({ mountPoint: '/dev/shm', fsType: 'tmpfs', device: '0:23', origin: 'node', nodePaths: ['/dev/shm'] }),
        ],
        mountinfo,
      ),
    },
    verdict: 'pass',
  },
  row(
    'the devices of the node',
    [],
    [
      mountOf({
        mountPoint: '/x',
        fsType: 'devtmpfs',
        source: 'udev',
        device: '0:6',
        origin: 'node',
        nodePaths: ['/dev'],
      }),
    ],
    { verdict: 'fail', severity: 'high' },
  ),
  row(
    'a disk of its own below a directory that was asked for',
    [bind('/srv', '/x')],
    [
      mountOf({ root: '/srv', mountPoint: '/x' }),
      mountOf({ mountPoint: '/x/disk', source: '/dev/sdb1', device: '8:17', origin: 'node', nodePaths: ['/srv/disk'] }),
    ],
    { verdict: 'pass' },
  ),
  row(
    'a disk below a directory that was asked for, which the node has not mounted',
    [bind('/srv', '/x')],
    [
      mountOf({ root: '/srv', mountPoint: '/x' }),
      mountOf({ mountPoint: '/x/disk', source: '/dev/sdb1', device: '8:17', origin: 'unresolved' }),
    ],
    { verdict: 'unknown', seen: ['8:17 / /x/disk rw - ext4 /dev/sdb1'] },
  ),
  row(
    'users on a disk of their own',
    [bind('/home', '/x')],
    [mountOf({ mountPoint: '/x', source: '/dev/sdb1', device: '8:17', origin: 'node', nodePaths: ['/home'] })],
    {
      verdict: 'fail',
      severity: 'high',
      seen: ['8:17 / /x rw - ext4 /dev/sdb1', '/home on the host', 'bind /home -> /x rw'],
    },
  ),
  row(
    'a volume that is /proc',
    [bind('/var/lib/docker/volumes/p/_data', '/x', { type: 'volume' })],
    [
      mountOf({
        mountPoint: '/x',
        fsType: 'proc',
        source: 'proc',
        device: '0:61',
        origin: 'node',
        nodePaths: ['/var/lib/docker/volumes/p/_data'],
      }),
    ],
    { verdict: 'fail', severity: 'critical', seen: ['0:61 / /x rw - proc proc', '/proc on the host'] },
  ),
  row(
    'the small init of --init',
    [],
    [mountOf({ root: '/usr/bin/docker-init', mountPoint: '/sbin/docker-init', readOnly: true })],
    { verdict: 'pass' },
  ),
  row(
    'the state of an engine that is elsewhere',
    [bind('/data/docker', '/x')],
    [mountOf({ root: '/data/docker', mountPoint: '/x' })],
    {
      verdict: 'fail',
      severity: 'critical',
      facts: { docker: dockerFact({ api: dockerApi({ dataRoot: '/data/docker' }) }) },
    },
  ),
  {
    name: 'the directories that the kubelet makes for a pod',
    container: {
      podUid: '7f3e',
      declared: { mounts: [bind('/var/lib/kubelet/pods/7f3e/etc-hosts', '/etc/hosts')] },
      mounts: seen(
        [...DEFAULT_MOUNTS, mountOf({ root: '/var/lib/kubelet/pods/7f3e/etc-hosts', mountPoint: '/etc/hosts' })],
        mountinfo,
      ),
    },
    verdict: 'pass',
  },
  {
    name: 'the directory of another pod',
    container: {
      podUid: '7f3e',
      declared: { mounts: [bind('/var/lib/kubelet/pods/0a1b/volumes/token', '/x')] },
      mounts: seen(
        [...DEFAULT_MOUNTS, mountOf({ root: '/var/lib/kubelet/pods/0a1b/volumes/token', mountPoint: '/x' })],
        mountinfo,
      ),
    },
    verdict: 'fail',
    severity: 'critical',
  },
  row(
    'the same directories, in a container of somebody else',
    [bind('/var/lib/kubelet/pods/7f3e', '/x')],
    [mountOf({ root: '/var/lib/kubelet/pods/7f3e', mountPoint: '/x' })],
    { verdict: 'fail', severity: 'critical' },
  ),
  {
    name: 'a root that is a directory of the engine (the vfs driver)',
    container: {
      mounts: seen(
        [
          mountOf({ root: '/var/lib/docker/vfs/dir/0a1b', mountPoint: '/' }),
          ...DEFAULT_MOUNTS.filter(({ mountPoint }) => mountPoint !== '/'),
        ],
        mountinfo,
      ),
    },
    verdict: 'pass',
  },
  {
    name: 'the files of the container whose network it joined',
    container: {
      declared: {
        engineFiles: ['hostname', 'hosts', 'resolv.conf'].map(
          (name) => `/var/lib/docker/containers/${OTHER_ID}/${name}`,
        ),
      },
      mounts: seen(
        DEFAULT_MOUNTS.map((mount) => {
          const root = mount.root.replace(CONTAINER_ID, OTHER_ID);
          return mount.fsType === 'ext4' ? mountOf({ ...mount, root, nodePaths: [root] }) : mount;
        }),
        mountinfo,
      ),
    },
    verdict: 'pass',
  },
  row(
    'files that only look like those of the engine',
    [],
    [mountOf({ root: `/etc/containers/${CONTAINER_ID}/hosts`, mountPoint: '/x' })],
    { verdict: 'fail', severity: 'high' },
  ),
  row(
    'a file of the node in the place of the small init',
    [bind('/etc/shadow', '/sbin/docker-init', { writable: false })],
    [mountOf({ root: '/etc/shadow', mountPoint: '/sbin/docker-init', readOnly: true })],
    { verdict: 'fail', severity: 'high' },
  ),
  row(
    'the cgroups of all',
    [bind('/sys/fs/cgroup/pids', '/x')],
    [
      mountOf({
        mountPoint: '/x',
        fsType: 'cgroup',
        source: 'cgroup',
        device: '0:36',
        origin: 'node',
        nodePaths: ['/sys/fs/cgroup/pids'],
      }),
    ],
    { verdict: 'fail', severity: 'high' },
  ),
  row(
    'the interface of the tracer, mounted by the container itself',
    [],
    [mountOf({ mountPoint: '/t', fsType: 'tracefs', source: 't', device: '0:12' })],
    { verdict: 'fail', severity: 'high', seen: ['0:12 / /t rw - tracefs t', '/sys/kernel/tracing on the host'] },
  ),
  row(
    'memory files that all share who were started with --ipc host',
    [],
    [
      mountOf({
        root: '/',
        mountPoint: '/dev/shm',
        fsType: 'tmpfs',
        device: '0:23',
        origin: 'node',
        nodePaths: ['/dev/shm'],
      }),
    ],
    { verdict: 'fail', severity: 'high' },
  ),
  row(
    'a part of a file system that no path of the node leads to',
    [],
    [
      mountOf({
        root: '/@snapshots/1',
        mountPoint: '/x',
        device: '0:31',
        fsType: 'btrfs',
        source: 'none',
        origin: 'unresolved',
        nodePaths: [],
      }),
    ],
    {
      verdict: 'unknown',
      reason: /path of a mount/,
    },
  ),
  {
    name: 'not readable',
    container: { mounts: unreadable(mountinfo, 'permission denied (EACCES)') },
    verdict: 'unknown',
    reason: /permission denied/,
  },
  {
    name: 'not readable, but declared',
    container: {
      declared: { mounts: [bind('/usr/../etc/', '/x')] },
      mounts: unreadable(mountinfo, 'permission denied (EACCES)'),
    },
    verdict: 'fail',
    severity: 'critical',
    seen: ['bind /usr/../etc/ -> /x rw'],
  },
]);
