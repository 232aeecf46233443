import t from 'tap';
import { socketMembers } from '../../../../posture/check/daemon/socket-members.ts';
import { stoppedContainers } from '../../../../posture/check/daemon/stopped-containers.ts';
import { storageFileSystem } from '../../../../posture/check/daemon/storage-file-system.ts';
import { supportedRelease } from '../../../../posture/check/daemon/supported-release.ts';
import { unusedImages } from '../../../../posture/check/daemon/unused-images.ts';
import type { DockerFact, SocketAccess, StorageRoot } from '../../../../posture/fact/docker.ts';
import type { Facts } from '../../../../posture/fact/facts.ts';
import { absent, seen, unreadable } from '../../../../posture/observed.ts';
import { containerFact } from '../../../fixture/container.ts';
import { api, docker, noApi } from '../../../fixture/docker-rows.ts';
import { judgeNodes } from '../../../fixture/node-table.ts';

type Mount = Extract<StorageRoot['mount'], { state: 'seen' }>['value'];

const ROOT: Mount = {
  realPath: '/var/lib/docker',
  mountPoint: '/var/lib/docker',
  device: '254:1',
  fsType: 'ext4',
  source: '/dev/vdb1',
  rootDevice: '254:0',
  rootSource: '/dev/vda1',
};
const root = (mount: Partial<Mount>, purpose: StorageRoot['purpose'] = 'engine'): StorageRoot => ({
  purpose,
  path: mount.realPath ?? '/var/lib/docker',
  mount: seen({ ...ROOT, ...mount }, '/proc/1/mountinfo'),
});
const stored = (...storage: readonly StorageRoot[]): Pick<DockerFact, 'storage'> => ({ storage });

judgeNodes(t, storageFileSystem, [
  { name: 'a disk of its own', facts: docker(stored(root({}))), verdict: 'pass' },
  {
    name: 'a bind mount of the disk of / is a mount point and no other file system',
    facts: docker(stored(root({ device: '254:0' }))),
    verdict: 'fail',
    reason: /in the file system of \//,
  },
  {
    name: 'a disk that it shares with the rest of /var',
    facts: docker(stored(root({ mountPoint: '/var' }))),
    verdict: 'fail',
    reason: /everything else below \/var/,
  },
  {
    name: 'containerd has the images, on the disk of /',
    facts: docker(stored(root({}), root({ realPath: '/var/lib/containerd', device: '254:0' }, 'containerd'))),
    verdict: 'fail',
    reason: /\/var\/lib\/containerd/,
  },
  {
    name: 'a subvolume of btrfs has a device number of its own',
    facts: docker(stored(root({ fsType: 'btrfs', device: '0:44', source: '/dev/vda1' }))),
    verdict: 'fail',
  },
  {
    name: 'btrfs on another disk',
    facts: docker(stored(root({ fsType: 'btrfs', device: '0:44' }))),
    verdict: 'pass',
  },
  {
    name: 'a data set of the same pool',
    facts: docker(
      stored(root({ fsType: 'zfs', device: '0:50', source: 'rpool/docker', rootSource: 'rpool/ROOT/debian' })),
    ),
    verdict: 'fail',
  },
  {
    name: 'no table of mounts',
    facts: docker(stored({ ...root({}), mount: unreadable('/proc/1/mountinfo', 'permission denied (EACCES)') })),
    verdict: 'unknown',
  },
  { name: 'the engine does not answer', facts: docker(noApi), verdict: 'unknown' },
]);

const ACCESS: SocketAccess = { uid: 0, gid: 998, group: 'docker', everybody: false, members: [], otherServices: [] };
const access = (changes: Partial<SocketAccess>): Pick<DockerFact, 'socketAccess'> => ({
  socketAccess: seen({ ...ACCESS, ...changes }, '/run/docker.sock'),
});

judgeNodes(t, socketMembers, [
  { name: 'nobody', facts: docker(access({})), verdict: 'pass' },
  {
    name: 'all of them are named, so that a person can approve',
    facts: docker(access({ members: ['adm', 'admin', 'ci'] })),
    verdict: 'manual',
    seen: ['group docker (998): adm, admin, ci; access control list not read'],
  },
  { name: 'everybody', facts: docker(access({ everybody: true })), verdict: 'fail' },
  { name: 'a socket of an account', facts: docker(access({ uid: 65534 })), verdict: 'fail', seen: ['owner uid 65534'] },
  {
    name: 'a rootless engine, which belongs to its user',
    facts: docker({ ...access({ uid: 1000 }), endpoint: 'unix:///run/user/1000/docker.sock' }),
    verdict: 'pass',
  },
  {
    name: 'a socket in the directory of another user',
    facts: docker({ ...access({ uid: 1001 }), endpoint: 'unix:///run/user/1000/docker.sock' }),
    verdict: 'fail',
  },
  {
    name: 'a directory service may know more',
    facts: docker(access({ otherServices: ['sss'] })),
    verdict: 'unknown',
    reason: /sss/,
  },
  { name: 'no unix socket', facts: docker({ socketAccess: absent('tcp://127.0.0.1:2375') }), verdict: 'notApplicable' },
  {
    name: 'accounts that cannot be read',
    facts: docker({ socketAccess: unreadable('/etc/group', 'permission denied (EACCES)') }),
    verdict: 'unknown',
  },
]);

const DPKG = '/var/lib/dpkg/status';
const release = (
  version: string,
  pkg: DockerFact['package'] = absent(DPKG),
  nowMs = Date.UTC(2026, 6, 1),
): Partial<Facts> => ({
  ...docker(api({ version }), { package: pkg }),
  clock: { nowMs },
});

judgeNodes(t, supportedRelease, [
  // Branches and their end by project/BRANCHES-AND-TAGS.md of moby; fixes by the CVE records of CNA GitHub_M.
  { name: 'newest branch with all fixes', facts: release('29.5.1'), verdict: 'pass' },
  { name: 'before the fix of docker cp', facts: release('29.5.0'), verdict: 'fail', reason: /CVE-2026-42306/ },
  { name: 'branch that ended', facts: release('27.5.1'), verdict: 'fail', reason: /since 2025-05-03/ },
  { name: 'branch that ended long ago', facts: release('20.10.27'), verdict: 'fail', reason: /since 2023-12-10/ },
  { name: 'old scheme of versions', facts: release('17.03.2-ce'), verdict: 'fail' },
  {
    name: 'branch 25.0, about which it is not published',
    facts: release('25.0.16'),
    verdict: 'unknown',
    reason: /CVE-2026-42306/,
  },
  { name: 'branch 25.0 before it', facts: release('25.0.14'), verdict: 'fail' },
  { name: 'a later branch', facts: release('30.0.0'), verdict: 'unknown', reason: /update Plimsoll/ },
  {
    name: 'data of more than a year',
    facts: release('29.5.1', absent(DPKG), Date.UTC(2028, 0, 1)),
    verdict: 'unknown',
  },
  { name: 'a build of Debian', facts: release('26.1.5+dfsg1'), verdict: 'unknown', reason: /distribution/ },
  {
    name: 'a package of Ubuntu, with a plain version',
    facts: release('24.0.7', seen({ name: 'docker.io', version: '24.0.7-0ubuntu4.1' }, DPKG)),
    verdict: 'unknown',
  },
  {
    name: 'a package of Docker',
    facts: release('27.5.1', seen({ name: 'docker-ce', version: '5:27.5.1-1' }, DPKG)),
    verdict: 'fail',
  },
  {
    name: 'a database that is not read',
    facts: release('27.5.1', unreadable('/var/lib/rpm', 'not read')),
    verdict: 'unknown',
  },
  { name: 'no version', facts: release('dev'), verdict: 'unknown' },
  { name: 'the engine does not answer', facts: docker(noApi), verdict: 'unknown' },
]);

const images = (count: number, bytes = 1e6): Pick<DockerFact, 'images'> => ({
  images: seen(
    Array.from({ length: count }, (_, index) => ({
      id: `sha256:${String(index).padStart(64, '0')}`,
      name: `shop/web:${String(index)}`,
      createdAtMs: 0,
      bytes,
    })),
    'GET /images/json',
  ),
});
const using = (imageId: string): Pick<Facts, 'containers'> => ({
  containers: seen([containerFact({ imageId, pid: 0, state: 'exited' })], 'GET /containers/json'),
});

judgeNodes(t, unusedImages, [
  { name: 'few', facts: docker(images(50)), verdict: 'pass' },
  { name: 'many', facts: docker(images(51)), verdict: 'fail', reason: /^51 images/ },
  {
    name: 'one of them belongs to a container that does not run',
    facts: { ...docker(images(51)), ...using(`sha256:${'0'.repeat(64)}`) },
    verdict: 'pass',
  },
  { name: 'large', facts: docker(images(3, 8 * 1024 ** 3)), verdict: 'fail', reason: /24\.0 GiB/ },
  {
    name: 'no list of images',
    facts: docker({ images: unreadable('GET /images/json', 'timeout') }),
    verdict: 'unknown',
  },
  {
    name: 'no list of containers',
    facts: { ...docker(images(51)), containers: unreadable('GET /containers/json', 'timeout') },
    verdict: 'unknown',
  },
]);

const ended = (endedAt: string, state: 'exited' | 'created' | 'running' = 'exited'): Partial<Facts> => ({
  clock: { nowMs: Date.UTC(2026, 10, 25) },
  containers: seen([containerFact({ endedAt, state, pid: state === 'running' ? 4121 : 0 })], 'GET /containers/json'),
});

judgeNodes(t, stoppedContainers, [
  { name: 'ended yesterday', facts: ended('2026-11-24T10:00:00Z'), verdict: 'pass' },
  {
    name: 'ended in October',
    facts: ended('2026-10-01T10:00:00.5Z'),
    verdict: 'fail',
    seen: ['1 of 1, the oldest since 2026-10-01T10:00:00Z: shop-worker'],
  },
  { name: 'created and never started', facts: ended('2026-10-01T10:00:00Z', 'created'), verdict: 'fail' },
  { name: 'runs', facts: ended('', 'running'), verdict: 'pass' },
  { name: 'ended at an unknown time', facts: ended(''), verdict: 'unknown' },
  { name: 'no list', facts: { containers: unreadable('GET /containers/json', 'timeout') }, verdict: 'unknown' },
]);
