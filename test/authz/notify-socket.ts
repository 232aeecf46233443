import { spawn } from 'node:child_process';
import type { Test } from 'tap';

/** The end of systemd of `NOTIFY_SOCKET`, sd_notify(3). */
export interface NotifySocket {
  readonly path: string;
  /** The next `WATCHDOG=1`; rejects after 10 s. */
  readonly next: () => Promise<void>;
  /** Resolves when no message came for this long; rejects after 10 s. */
  readonly silence: (ms: number) => Promise<void>;
}

/** Node has no datagram sockets on unix. */
const RECEIVER = `
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
print('ready', flush=True)
while True:
    message, ancillary, flags, address = s.recvmsg(4096, socket.CMSG_SPACE(4))
    print(message.decode().strip().replace(chr(10), ' '), flush=True)
`;

/** Opens the socket; closed with the test. */
export async function openNotifySocket(t: Test, path: string): Promise<NotifySocket> {
  const child = spawn('python3', ['-c', RECEIVER, path], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.teardown(() => child.kill('SIGKILL'));
  let count = 0;
  let lastMs = performance.now();
  const ready = Promise.withResolvers<void>();
  child.once('exit', () => ready.reject(new Error('the receiver ended')));
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    if (text.includes('ready')) ready.resolve();
    count += text.match(/WATCHDOG=1/g)?.length ?? 0;
    lastMs = performance.now();
  });
  await ready.promise;
  const until = async (isTrue: () => boolean): Promise<void> => {
    for (let tries = 0; tries < 600; tries += 1) {
      if (isTrue()) return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error('it did not happen within 30 s');
  };
  return {
    path,
    next: () => {
      const before = count;
      return until(() => count > before);
    },
    silence: (ms) => until(() => performance.now() - lastMs > ms),
  };
}
