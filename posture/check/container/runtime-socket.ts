import type { DockerFact } from '../../fact/docker.ts';
import { fail, pass } from '../../verdict.ts';
import { containerCheck } from '../check.ts';
import { notSeen } from '../container-reading.ts';
import { hostMounts } from '../host-mount.ts';
import { isWithin } from '../mount.ts';

/** Default control sockets; /var/run is written as /run. */
const SOCKETS = [
  '/run/buildkit/buildkitd.sock',
  '/run/containerd/containerd.sock',
  '/run/containerd/containerd.sock.ttrpc',
  '/run/cri-dockerd.sock',
  '/run/crio/crio.sock',
  '/run/docker.sock',
  '/run/docker/containerd/containerd.sock',
  '/run/dockershim.sock',
  '/run/k0s/containerd.sock',
  '/run/k3s/containerd/containerd.sock',
  '/run/podman/podman.sock',
  '/var/snap/docker/common/run/docker.sock',
  '/var/snap/microk8s/common/run/containerd.sock',
];

/** The same sockets elsewhere: of a rootless engine (/run/user/1000/docker.sock) or of a second one. */
const NAME = /\/(?:docker|dockershim|cri-dockerd|containerd|crio|podman|buildkitd)\.sock(?:\.ttrpc)?$/;

/** A container with `/` mounted has a line for everything below. */
const MAX_EVIDENCE = 8;

const EXPECTED = 'no control socket of a container engine';

export const runtimeSocket = containerCheck({
  id: 'container.runtime-socket',
  title: 'No control socket of a container engine is mounted in a container',
  severity: 'critical',
  rationale:
    'Who can connect to the socket can start a privileged container with the disk of the node in it. A read-only mount does not help: connecting is not writing.',
  remediation:
    'Remove the mount of the socket and of directories that hold it (/run, /var/run, /). A program that must ask the engine gets a proxy that lets through only the calls it needs.',
  references: ['https://docs.docker.com/engine/security/protect-access/'],
  judges: 'container',
  needs: ['docker'],
  judge: (container, { docker }) => {
    const sockets = [...SOCKETS, ...endpointPath(docker)];
    const found = hostMounts(container, docker).filter(({ paths }) =>
      paths.some((path) => NAME.test(path) || sockets.some((socket) => isWithin(socket, path))),
    );
    const evidence = found.flatMap((mount) => mount.evidence.map((line) => ({ ...line, expected: EXPECTED })));
    if (evidence.length > 0) return fail(...evidence.slice(0, MAX_EVIDENCE));
    const { mounts } = container;
    if (mounts.state !== 'seen') return notSeen(mounts);
    return pass({ source: mounts.source, seen: 'none', expected: EXPECTED });
  },
});

/** The socket that the engine itself was asked on: `unix:///run/docker.sock`. */
function endpointPath({ endpoint }: DockerFact): readonly string[] {
  const path = /^unix:\/\/(\/.+)$/.exec(endpoint)?.[1];
  return path === undefined ? [] : [path.replace(/^\/var\/run\//, '/run/')];
}
