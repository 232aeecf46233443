import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import type { Test } from 'tap';

/** A way to a server that can be cut, and mended. */
export interface Way {
  readonly url: string;
  /** Breaks every connection, and takes no new one. */
  readonly close: () => void;
  readonly open: () => void;
}

/** Opens a way to `target` (`http://127.0.0.1:PORT`) on a port of its own. */
export async function openWay(t: Test, target: string): Promise<Way> {
  const port = Number(new URL(target).port);
  const sockets = new Set<Socket>();
  let isOpen = true;
  const server = createServer((near) => {
    if (!isOpen) return void near.destroy();
    const far = connect(port, '127.0.0.1');
    for (const [one, other] of [[near, far] as const, [far, near] as const]) {
      sockets.add(one);
      one.on('error', () => other.destroy());
      one.on('close', () => {
        sockets.delete(one);
        other.destroy();
      });
      one.pipe(other);
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const close = (): void => {
    isOpen = false;
    for (const socket of sockets) socket.destroy();
  };
  t.teardown(() => {
    close();
    server.close();
  });
  const own = (server.address() as AddressInfo).port;
  return { url: `http://127.0.0.1:${String(own)}`, close, open: () => (isOpen = true) };
}
