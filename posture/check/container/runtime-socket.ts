import type { EngineSettings } from '../../fact/docker.ts';
import type { ContainerFact } from '../../fact/container.ts';
import { valueOr } from '../../observed.ts';
import { fail, pass } from '../../verdict.ts';
import type { Evidence } from '../../verdict.ts';
import { capabilityNames } from '../capability.ts';
import { containerCheck } from '../check.ts';
import { notSeen } from '../container-reading.ts';
import { quote } from '../evidence-text.ts';
import { declaredHostMounts } from '../host-mount.ts';
import { isWithin, mountLine } from '../mount.ts';
import { unresolvedMounts } from '../own-kernel.ts';

/** Declared paths that are or hold a control socket, for containers whose mounts cannot be read. */
const DEFAULT_SOCKETS = [
  '/run/containerd/containerd.sock',
  '/run/crio/crio.sock',
  '/run/docker.sock',
  '/run/podman/podman.sock',
];
const NAME = /\/(?:docker|dockershim|cri-dockerd|containerd|crio|podman|buildkitd)\.sock(?:\.ttrpc)?$/;

/** A container with `/` mounted has a line for everything below. */
const MAX_EVIDENCE = 8;

const EXPECTED = 'no control socket of a container engine';

export const runtimeSocket = containerCheck({
  id: 'container.runtime-socket',
  title: 'No container engine socket is reachable',
  failTitle: 'Container engine socket is reachable',
  judgedBy: 'effect',
  severity: 'critical',
  rationale:
    'A process that can connect to the socket can start a privileged container that mounts the disk of the host. A read-only mount does not prevent that: connecting is not writing.',
  remediation:
    'Remove the mount of the socket and of directories that contain it (/run, /var/run, /). For a program that must query the engine, use a proxy that admits only the calls it needs.',
  references: ['https://docs.docker.com/engine/security/protect-access/'],
  judges: 'container',
  ownKernel: 'declared',
  needs: ['docker'],
  engineSettings: ['endpoint'],
  judge: (container, { docker }) => {
    const { controlSockets: reached, mounts, mountNamespaces } = container;
    if (reached.state !== 'seen') {
      const declared = declaredSockets(container, docker);
      return declared.length > 0
        ? fail('a control socket of a container engine is mounted', ...declared)
        : (unresolvedMounts(container) ?? notSeen(reached));
    }
    const open = reached.value.filter(({ covered }) => !covered || canUnmount(container));
    if (open.length === 0) return pass({ source: reached.source, seen: 'none', expected: EXPECTED });
    const lines = [mounts, ...mountNamespaces.map((other) => other.mounts)].flatMap((table) => valueOr(table, []));
    const evidence = open.flatMap(({ path, at, mount }): readonly Evidence[] => {
      const line = lines.find(({ id }) => id === mount);
      const socket = { source: reached.source, seen: `${quote(path)} of the host at ${quote(at)}`, expected: EXPECTED };
      return line === undefined ? [socket] : [{ ...socket, seen: mountLine(line) }, socket];
    });
    const { path = '', at = '' } = open[0] ?? {};
    const reason = `the container can control the engine through ${quote(path)} of the host at ${quote(at)}`;
    return fail(reason, ...evidence.slice(0, MAX_EVIDENCE));
  },
});

/** A mount over a socket protects it only from processes that cannot unmount it. */
function canUnmount({ capabilities }: ContainerFact): boolean {
  return (
    capabilities.state !== 'seen' ||
    [capabilities.value.effective, capabilities.value.bounding].some(
      (set) => capabilityNames(set)?.includes('SYS_ADMIN') !== false,
    )
  );
}

function declaredSockets(container: ContainerFact, docker: Pick<EngineSettings, 'endpoint'>): readonly Evidence[] {
  const sockets = [...DEFAULT_SOCKETS, ...endpointPath(docker)];
  return declaredHostMounts(container, new Set())
    .filter(({ paths }) => paths.some((path) => NAME.test(path) || sockets.some((socket) => isWithin(socket, path))))
    .flatMap(({ evidence }) => evidence.map((line) => ({ ...line, expected: EXPECTED })))
    .slice(0, MAX_EVIDENCE);
}

/** The socket that the engine itself was asked on: `unix:///run/docker.sock`. */
function endpointPath({ endpoint }: Pick<EngineSettings, 'endpoint'>): readonly string[] {
  const path = /^unix:\/\/(\/.+)$/.exec(endpoint)?.[1];
  return path === undefined ? [] : [path.replace(/^\/var\/run\//, '/run/')];
}
