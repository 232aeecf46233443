import type { ContainerFact } from '../../fact/container.ts';
import type { EngineSettings } from '../../fact/docker.ts';
import { failAs, pass, severityRank, unknownBecause } from '../../verdict.ts';
import type { Judgement } from '../../verdict.ts';
import { containerCheck } from '../check.ts';
import { allOf } from '../combine.ts';
import { notSeen } from '../container-reading.ts';
import { quote } from '../evidence-text.ts';
import { hostMounts } from '../host-mount.ts';
import type { HostMount } from '../host-mount.ts';
import { unresolvedMounts } from '../own-kernel.ts';
import { ENGINE_ROOTS, sensitivityOf } from '../sensitive-path.ts';

const EXPECTED = 'no sensitive path of the host';

export const sensitiveMount = containerCheck({
  id: 'container.sensitive-mount',
  title: 'No sensitive host path is mounted',
  failTitle: 'Sensitive host path is mounted',
  judgedBy: 'effect',
  severity: 'critical',
  severityLevels: [
    { severity: 'critical', when: 'the container can change programs, accounts or services of the host' },
    { severity: 'high', when: 'it can change settings or state, or read secrets' },
    { severity: 'medium', when: 'it can change other files, or read settings' },
    { severity: 'low', when: 'it can read files without secrets' },
  ],
  rationale:
    'Write access to /etc, /usr, /root or the state of the engine is control of the host, and read access exposes its secrets. A mount bypasses everything else that confines the container.',
  remediation:
    'Mount only the file or directory that the program needs, from a dedicated place or a named volume, and read-only where reading is enough. In a pod, replace hostPath by another kind of volume.',
  references: ['https://docs.docker.com/engine/storage/bind-mounts/'],
  judges: 'container',
  ownKernel: 'declared',
  needs: ['docker'],
  engineSettings: ['api'],
  judge: (container, { docker }) => {
    const parts = hostMounts(container, docker)
      .map((mount) => judgeMount(mount, container, docker))
      .filter((part) => part !== undefined);
    const { mounts, mountNamespaces } = container;
    if (mounts.state !== 'seen') parts.push(unresolvedMounts(container) ?? notSeen(mounts));
    for (const { mounts: others } of mountNamespaces) if (others.state === 'unreadable') parts.push(notSeen(others));
    if (parts.length > 0) return allOf('critical', parts);
    return pass({ source: mounts.source, seen: 'none', expected: EXPECTED });
  },
});

function judgeMount(
  { paths, isResolved, readOnly, evidence }: HostMount,
  { podUid }: ContainerFact,
  { api }: Pick<EngineSettings, 'api'>,
): Judgement | undefined {
  const engineRoots = api.state === 'seen' ? [...ENGINE_ROOTS, api.value.dataRoot] : ENGINE_ROOTS;
  const quoted = evidence.map((line) => ({ ...line, expected: EXPECTED }));
  const sensitive = paths
    // The kubelet mounts a directory below this one in every pod.
    .filter((path) => !(podUid !== '' && path.startsWith(`/var/lib/kubelet/pods/${podUid}/`)))
    .flatMap((path) => {
      const severity = sensitivityOf(path, readOnly, engineRoots);
      return severity === undefined ? [] : [{ path, severity }];
    })
    .sort((one, other) => severityRank(one.severity) - severityRank(other.severity));
  const [worst] = sensitive;
  if (worst !== undefined)
    return failAs(
      worst.severity,
      `${quote(worst.path)} of the host is mounted ${readOnly ? 'read-only' : 'read-write'}`,
      ...quoted,
    );
  return isResolved ? undefined : unknownBecause('the host path of a mount is unknown', ...quoted);
}
