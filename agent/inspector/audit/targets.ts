import type { AuditTarget, AuditTargetName } from '../../../posture/fact/audit.ts';
import type { DockerFact } from '../../../posture/fact/docker.ts';
import type { FileRole, FilesFact } from '../../../posture/fact/file.ts';
import { seen, unreadable } from '../../../posture/observed.ts';
import type { Host } from '../../host/host.ts';
import { clip } from '../clip.ts';
import { configuredTexts } from '../docker/configured-texts.ts';
import { unseen } from '../read-text.ts';

/** Targets whose paths the fact `files` has already. */
const OF_FILES: Partial<Record<FileRole, AuditTargetName>> = Object.freeze({
  containerdBinary: 'containerd',
  containerdConfig: 'containerdConfig',
  containerdSocket: 'containerdSocket',
  daemonJson: 'daemonJson',
  defaultDocker: 'defaultDocker',
  dockerConfigDirectory: 'dockerConfigDirectory',
  dockerServiceUnit: 'dockerServiceUnit',
  dockerSocket: 'dockerSocket',
  dockerdBinary: 'dockerd',
  runcBinary: 'runc',
  sysconfigDocker: 'sysconfigDocker',
});

const SHIMS: readonly (readonly [AuditTargetName, string])[] = [
  ['containerdShim', 'containerd-shim'],
  ['containerdShimRuncV1', 'containerd-shim-runc-v1'],
  ['containerdShimRuncV2', 'containerd-shim-runc-v2'],
];
const PROGRAM_DIRECTORIES = ['/usr/bin', '/usr/sbin', '/usr/local/bin', '/usr/local/sbin'];
/** Of the distributions' containerd, and of the one in k3s. */
const RUN_DIRECTORIES = ['/run/containerd', '/run/k3s/containerd'];

/** Everything of Docker and containerd on this node whose changes should be recorded. What does not exist is absent. */
export async function readTargets(host: Host, docker: DockerFact, files: FilesFact): Promise<readonly AuditTarget[]> {
  const known = files.flatMap(({ role, path, stat }): readonly AuditTarget[] => {
    const target = OF_FILES[role];
    if (target === undefined) return [];
    if (stat.state !== 'seen') return [{ target, path, real: stat }];
    const { realPath, kind } = stat.value;
    return [{ target, path, real: seen({ path: realPath, isDirectory: kind === 'directory' }, path) }];
  });
  const wanted: readonly (readonly [AuditTargetName, string])[] = [
    ['dockerDataRoot', dataRootOf(docker)],
    ...RUN_DIRECTORIES.map((path) => ['containerdRunDirectory', path] as const),
    ...SHIMS.flatMap(([target, name]) => PROGRAM_DIRECTORIES.map((in_) => [target, `${in_}/${name}`] as const)),
  ];
  const found = await Promise.all(wanted.map(([target, path]) => locateTarget(host, target, path)));
  return distinct([...known, ...found, ...unknownPlaces(docker, [...known, ...found])]);
}

/** The command line and the configuration of dockerd can name another path: what is usual proves nothing then. */
const CONFIGURED: readonly AuditTargetName[] = ['daemonJson', 'dockerConfigDirectory', 'dockerDataRoot'];

/** Targets whose places are not known, because the command line or the configuration of dockerd could not be read. */
function unknownPlaces({ process, file, api }: DockerFact, found: readonly AuditTarget[]): readonly AuditTarget[] {
  const unread = [process, file].find((one) => one.state === 'unreadable');
  if (unread?.state !== 'unreadable') return [];
  const isSeen = (target: AuditTargetName): boolean =>
    found.some((entry) => entry.target === target && entry.real.state === 'seen');
  return [...new Set([...Object.values(OF_FILES), ...CONFIGURED])]
    .filter((target) => CONFIGURED.includes(target) || !isSeen(target))
    .filter((target) => target !== 'dockerDataRoot' || api.state !== 'seen')
    .map((target) => ({ target, path: unread.source, real: unreadable(unread.source, unread.reason) }));
}

/** Where the engine keeps images and containers: what it says itself, else what it is configured to use. */
export function dataRootOf(docker: DockerFact): string {
  const root = docker.api.state === 'seen' ? docker.api.value.dataRoot : configuredTexts(docker, 'data-root').at(-1);
  return root?.startsWith('/') === true ? root : '/var/lib/docker';
}

async function locateTarget(host: Host, target: AuditTargetName, path: string): Promise<AuditTarget> {
  const stat = await host.stat(path);
  if (!stat.ok) return { target, path, real: unseen(stat, path) };
  const { realPath, kind } = stat.value;
  return { target, path, real: seen({ path: clip(realPath, 4096), isDirectory: kind === 'directory' }, path) };
}

/** Two names of one file are one target: `/usr/sbin` is a link to `/usr/bin` on some distributions. */
function distinct(targets: readonly AuditTarget[]): readonly AuditTarget[] {
  const known = new Set<string>();
  return targets.filter(({ target, path, real }) => {
    const key = `${target} ${real.state === 'seen' ? real.value.path : path}`;
    if (known.has(key)) return false;
    known.add(key);
    return true;
  });
}
