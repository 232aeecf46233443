import type { ContainerFact } from '../../fact/container.ts';
import type { DockerFact } from '../../fact/docker.ts';
import { failAs, pass } from '../../verdict.ts';
import type { Judgement, Severity } from '../../verdict.ts';
import { containerCheck } from '../check.ts';
import { allOf } from '../combine.ts';
import { notSeen } from '../container-reading.ts';
import { hostMounts } from '../host-mount.ts';
import type { HostMount } from '../host-mount.ts';
import { isWithin } from '../mount.ts';

/** The system itself, what runs on it, who may log in to it, and the state of what runs containers. */
const SENSITIVE = [
  '/bin',
  '/boot',
  '/dev',
  '/etc',
  '/home',
  '/lib',
  '/lib32',
  '/lib64',
  '/libx32',
  '/proc',
  '/root',
  '/run',
  '/sbin',
  '/sys',
  '/usr',
  '/var/lib/containerd',
  '/var/lib/docker',
  '/var/lib/etcd',
  '/var/lib/kubelet',
];

const EXPECTED = 'no sensitive directory of the node';

export const sensitiveMount = containerCheck({
  id: 'container.sensitive-mount',
  title: 'No sensitive directory of the node is mounted in a container',
  severity: 'high',
  rationale:
    'Who can write to /etc, /usr, /root or the state of the engine owns the node, and who can read them has its secrets. A mount passes by everything else that confines the container.',
  remediation:
    'Mount the one file or directory that the program needs, from a place made for it or a named volume, and read-only where reading is enough.',
  references: ['https://docs.docker.com/engine/storage/bind-mounts/'],
  judges: 'container',
  needs: ['docker'],
  judge: (container, { docker }) => {
    const found = hostMounts(container, docker).filter((mount) =>
      mount.paths.some((path) => isSensitive(path, container, docker)),
    );
    if (found.length > 0) return allOf('high', found.map(judgeMount));
    const { mounts } = container;
    if (mounts.state !== 'seen') return notSeen(mounts);
    return pass({ source: mounts.source, seen: 'none', expected: EXPECTED });
  },
});

function judgeMount({ paths, readOnly, evidence }: HostMount): Judgement {
  const isWholeNode = paths.includes('/');
  const writable: Severity = isWholeNode ? 'critical' : 'high';
  const readable: Severity = isWholeNode ? 'medium' : 'low';
  return failAs(readOnly ? readable : writable, ...evidence.map((line) => ({ ...line, expected: EXPECTED })));
}

function isSensitive(path: string, { podUid }: ContainerFact, { api }: DockerFact): boolean {
  // The kubelet hands every pod its own directory below this one.
  if (podUid !== '' && path.startsWith(`/var/lib/kubelet/pods/${podUid}/`)) return false;
  const roots = api.state === 'seen' ? [...SENSITIVE, api.value.dataRoot] : SENSITIVE;
  return roots.some((root) => isWithin(path, root) || isWithin(root, path));
}
