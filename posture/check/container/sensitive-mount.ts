import type { ContainerFact } from '../../fact/container.ts';
import type { DockerFact } from '../../fact/docker.ts';
import { failAs, pass, severityRank, unknownBecause } from '../../verdict.ts';
import type { Judgement } from '../../verdict.ts';
import { containerCheck } from '../check.ts';
import { allOf } from '../combine.ts';
import { notSeen } from '../container-reading.ts';
import { hostMounts } from '../host-mount.ts';
import type { HostMount } from '../host-mount.ts';
import { sensitivityOf } from '../sensitive-path.ts';

/** Where engines keep their containers by default. */
const ENGINE_ROOTS = ['/var/lib/containerd', '/var/lib/docker'];

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
    const parts = hostMounts(container, docker)
      .map((mount) => judgeMount(mount, container, docker))
      .filter((part) => part !== undefined);
    const { mounts, mountNamespaces } = container;
    if (mounts.state !== 'seen') parts.push(notSeen(mounts));
    for (const { mounts: others } of mountNamespaces) if (others.state === 'unreadable') parts.push(notSeen(others));
    if (parts.length > 0) return allOf('high', parts);
    return pass({ source: mounts.source, seen: 'none', expected: EXPECTED });
  },
});

function judgeMount(
  { paths, isResolved, readOnly, evidence }: HostMount,
  { podUid }: ContainerFact,
  { api }: DockerFact,
): Judgement | undefined {
  const engineRoots = api.state === 'seen' ? [...ENGINE_ROOTS, api.value.dataRoot] : ENGINE_ROOTS;
  const quoted = evidence.map((line) => ({ ...line, expected: EXPECTED }));
  const severities = paths
    // The kubelet hands every pod its own directory below this one.
    .filter((path) => !(podUid !== '' && path.startsWith(`/var/lib/kubelet/pods/${podUid}/`)))
    .map((path) => sensitivityOf(path, readOnly, engineRoots))
    .filter((severity) => severity !== undefined)
    .sort((one, other) => severityRank(one) - severityRank(other));
  if (severities[0] !== undefined) return failAs(severities[0], ...quoted);
  return isResolved ? undefined : unknownBecause('the path of a mount on the node is not known', ...quoted);
}
