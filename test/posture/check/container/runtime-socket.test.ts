import t from 'tap';
import { runtimeSocket } from '../../../../posture/check/container/runtime-socket.ts';
import type { Declared } from '../../../../posture/fact/container.ts';
import { seen, unreadable } from '../../../../posture/observed.ts';
import { DEFAULT_MOUNTS, mountOf } from '../../../fixture/container.ts';
import { dockerFact } from '../../../fixture/facts.ts';
import { judgeContainers } from '../../../fixture/verdict-table.ts';

const mountinfo = '/proc/4121/mountinfo';
const declared = (source: string): { mounts: Declared['mounts'] } => ({
  mounts: [{ type: 'bind', source, destination: '/x', writable: false, propagation: 'rprivate' }],
});
const run = { fsType: 'tmpfs', source: 'tmpfs', device: '0:25' };

judgeContainers(t, runtimeSocket, [
  { name: 'the default container', verdict: 'pass', seen: ['none'] },
  {
    name: 'the socket of Docker, read-only',
    container: {
      declared: declared('/var/run/docker.sock'),
      mounts: seen(
        [...DEFAULT_MOUNTS, mountOf({ root: '/docker.sock', mountPoint: '/x', readOnly: true, ...run })],
        mountinfo,
      ),
    },
    verdict: 'fail',
    seen: ['0:25 /docker.sock /x ro - tmpfs tmpfs', 'bind /var/run/docker.sock -> /x ro'],
  },
  ...[
    '/run/containerd/containerd.sock',
    '/var/run/crio/crio.sock',
    '/run/podman/podman.sock',
    '/run/cri-dockerd.sock',
  ].map((source) => ({ name: source, container: { declared: declared(source) }, verdict: 'fail' as const })),
  ...['/run', '/var/run', '/', '/run/containerd', '/run/buildkit/'].map((source) => ({
    name: `${source} holds one`,
    container: { declared: declared(source) },
    verdict: 'fail' as const,
  })),
  {
    name: 'of a rootless engine',
    container: { declared: declared('/run/user/1000/docker.sock') },
    verdict: 'fail',
  },
  {
    name: 'the socket that this engine has, under another name',
    container: { declared: declared('/srv/engine/api') },
    facts: { docker: dockerFact({ endpoint: 'unix:///srv/engine/api' }) },
    verdict: 'fail',
  },
  {
    name: 'added after the start',
    container: {
      mounts: seen([...DEFAULT_MOUNTS, mountOf({ root: '/docker.sock', mountPoint: '/x', ...run })], mountinfo),
    },
    verdict: 'fail',
    seen: ['0:25 /docker.sock /x rw - tmpfs tmpfs'],
  },
  { name: 'another socket', container: { declared: declared('/srv/shop/app.sock') }, verdict: 'pass' },
  { name: '/var is no way to /run', container: { declared: declared('/var/log') }, verdict: 'pass' },
  {
    name: 'not readable',
    container: { mounts: unreadable(mountinfo, 'permission denied (EACCES)') },
    verdict: 'unknown',
  },
  {
    name: 'not readable, but declared',
    container: {
      declared: declared('/var/run/docker.sock'),
      mounts: unreadable(mountinfo, 'permission denied (EACCES)'),
    },
    verdict: 'fail',
  },
]);
