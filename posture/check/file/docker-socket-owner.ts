import { ownerCheck } from './mode-and-owner.ts';

/** Where a rootless daemon of user N keeps its socket: `/run/user/N/`. */
const RUNTIME_DIRECTORY = /^\/(?:var\/)?run\/user\/(\d{1,10})\//;

export const dockerSocketOwner = ownerCheck({
  id: 'file.docker-socket-owner',
  title: 'The Docker socket belongs to root and the configured group',
  severity: 'high',
  role: 'dockerSocket',
  // dockerd uses the group `docker` unless --group, daemon.json or SocketGroup= names another.
  groups: ({ expectedGroup }) => [expectedGroup === '' ? 'docker' : expectedGroup],
  users: ({ path }) => {
    const user = RUNTIME_DIRECTORY.exec(path)?.[1];
    return user === undefined ? [] : [Number(user)];
  },
  rationale:
    'Owner and group of this socket can command dockerd, which is as good as root. A group that nobody chose for it gives that to its members unnoticed.',
  remediation:
    'Set the group in one place (SocketGroup= in docker.socket, --group or "group" in daemon.json), restart Docker, and keep that group as small as the list of administrators.',
});
