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
  // There are a socket or two for each container: a line is copied only where it can be meant.
  for (let start = 0, colon = -1; start < text.length;) {
    const newline = text.indexOf('\n', start);
    const end = newline === -1 ? text.length : newline;
    if (colon < start) colon = text.indexOf(':', start);
    if (colon === -1) break;
    const flagsAt = colon + AFTER_ADDRESS;
    if (text.startsWith(suffix, end - suffix.length) && acceptsConnections(text.slice(flagsAt, flagsAt + 8))) {
      const match = LINE.exec(text.slice(start, end));
      if (match?.[2] !== undefined) listeners.push({ inode: Number(match[1]), path: match[2] });
    }
    start = end + 1;
  }
  return listeners;
}

const LINE = /^[\da-f]{1,16}: [\da-f]{8} [\da-f]{8} [\da-f]{8} [\da-f]{4} [\da-f]{2} +(\d{1,15}) (.+)$/i;
/** From the colon to the flags: ` 00000002 00000000 `, after it. */
const AFTER_ADDRESS = ': 00000002 00000000 '.length;

function acceptsConnections(flags: string): boolean {
  return (Number.parseInt(flags, 16) & ACCEPTS_CONNECTIONS) !== 0;
}
