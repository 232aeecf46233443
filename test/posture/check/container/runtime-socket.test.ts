import t from 'tap';
import { runtimeSocket } from '../../../../posture/check/container/runtime-socket.ts';
import type { ContainerFact, Declared, ReachableSocket } from '../../../../posture/fact/container.ts';
import { absent, seen, unreadable } from '../../../../posture/observed.ts';
import type { ContainerOverrides } from '../../../fixture/container.ts';
import { DEFAULT_MOUNTS, mountOf } from '../../../fixture/container.ts';
import { dockerFact } from '../../../fixture/facts.ts';
import { judgeContainers } from '../../../fixture/verdict-table.ts';

const mountinfo = '/proc/4121/mountinfo';
const declared = (source: string): { mounts: Declared['mounts'] } => ({
  mounts: [{ type: 'bind', source, destination: '/x', writable: false, propagation: 'rprivate' }],
});
const run = { fsType: 'tmpfs', source: 'tmpfs', device: '0:25' };
const reached = (changes: Partial<ReachableSocket> = {}): ContainerOverrides => ({
  controlSockets: seen([{ path: '/run/docker.sock', at: '/x', mount: 900, covered: false, ...changes }], mountinfo),
  mounts: seen(
    [...DEFAULT_MOUNTS, mountOf({ id: 900, root: '/docker.sock', mountPoint: '/x', readOnly: true, ...run })],
    mountinfo,
  ),
});
const hidden = unreadable(mountinfo, 'permission denied (EACCES)');
const capabilities = (words: string): ContainerFact['capabilities'] =>
  seen({ effective: words, permitted: words, inheritable: '0', bounding: words, ambient: '0' }, '/proc/4121/status');

judgeContainers(t, runtimeSocket, [
  { name: 'the default container', verdict: 'pass', seen: ['none'] },
  {
    name: 'a socket, read-only',
    container: reached(),
    verdict: 'fail',
    seen: ['0:25 /docker.sock /x ro - tmpfs tmpfs', '/run/docker.sock of the host at /x'],
    reason: /^the container can control the engine through \/run\/docker\.sock of the host at \/x$/,
  },
  { name: 'covered, for good', container: reached({ covered: true }), verdict: 'pass' },
  {
    name: 'covered by something that the container can take away',
    container: { ...reached({ covered: true }), capabilities: capabilities('00000000a82425fb') },
    verdict: 'fail',
  },
  {
    name: 'covered, capabilities not readable',
    container: { ...reached({ covered: true }), capabilities: unreadable('/proc/4121/status', 'EACCES') },
    verdict: 'fail',
  },
  {
    name: 'an abstract socket in the network of the node',
    container: reached({ path: '@/containerd-shim/x.sock', at: '@/containerd-shim/x.sock', mount: 0 }),
    verdict: 'fail',
    seen: ['@/containerd-shim/x.sock of the host at @/containerd-shim/x.sock'],
  },
  { name: 'declared, but no socket is there', container: { declared: declared('/run/podman') }, verdict: 'pass' },
  {
    name: 'not decided',
    container: { controlSockets: unreadable(mountinfo, 'a control socket has several names') },
    verdict: 'unknown',
    reason: /several names/,
  },
  {
    name: 'not readable',
    container: { mounts: hidden, controlSockets: hidden },
    verdict: 'unknown',
    reason: /permission denied/,
  },
  {
    name: 'gone',
    container: { mounts: absent(mountinfo), controlSockets: absent(mountinfo) },
    verdict: 'unknown',
  },
  ...[
    '/var/run/docker.sock',
    '/run/containerd/containerd.sock',
    '/var/run/crio/crio.sock',
    '/run/podman/podman.sock',
    '/run/user/1000/docker.sock',
    '/run',
    '/var/run',
    '/',
    '/run/containerd',
  ].map((source) => ({
    name: `not readable, but ${source} declared`,
    container: { declared: declared(source), mounts: hidden, controlSockets: hidden },
    verdict: 'fail' as const,
    seen: [`bind ${source} -> /x ro`],
  })),
  {
    name: 'not readable, but the socket that this engine has declared under another name',
    container: { declared: declared('/srv/engine/api'), mounts: hidden, controlSockets: hidden },
    facts: { docker: dockerFact({ endpoint: 'unix:///srv/engine/api' }) },
    verdict: 'fail',
  },
  {
    name: 'not readable, another socket declared',
    container: { declared: declared('/srv/shop/app.sock'), mounts: hidden, controlSockets: hidden },
    verdict: 'unknown',
  },
]);
