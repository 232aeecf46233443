/** A listening unix socket and the path that it was bound to. */
export interface UnixListener {
  readonly inode: number;
  readonly path: string;
}

/** SO_ACCEPTCON in the kernel's `net.h`: the socket listens. */
const ACCEPTS_CONNECTIONS = 0x10000;

/**
 * Listening sockets of `/proc/PID/net/unix`, proc_pid_net(5), whose path ends in `suffix`. The path is as it was bound,
 * and may be relative.
 *
 *     Num               RefCount Protocol Flags    Type St Inode Path
 *     00000000de66e4c4: 00000002 00000000 00010000 0001 01 18290 /run/docker.sock
 */
export function parseUnixListeners(text: string, suffix: string): readonly UnixListener[] {
  const listeners: UnixListener[] = [];
  for (const line of text.split('\n')) {
    // There is a socket for each container and more: only the few that may be meant are looked at closely.
    if (!line.endsWith(suffix)) continue;
    const match = /^[\da-f]{1,16}: [\da-f]{8} [\da-f]{8} ([\da-f]{8}) [\da-f]{4} [\da-f]{2} +(\d{1,15}) (.+)$/i.exec(
      line,
    );
    if (match?.[1] === undefined || match[3] === undefined) continue;
    if ((Number.parseInt(match[1], 16) & ACCEPTS_CONNECTIONS) === 0) continue;
    listeners.push({ inode: Number(match[2]), path: match[3] });
  }
  return listeners;
}
