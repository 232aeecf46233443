import { createServer as createTcpServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';

/** What a receiver is asked. */
export interface ReceiverAsk {
  readonly do: 'count';
}

/** Where it listens. */
export interface ReceiverPorts {
  /** Syslog over TLS. */
  readonly syslog: number;
  /** Takes connections, and neither reads nor answers. */
  readonly silent: number;
  /** Messages that came. */
  readonly messages: number;
}

/** A receiver of syslog over TLS that only counts, and one that never answers. */
export async function receiver(tls: {
  readonly cert: string;
  readonly key: string;
}): Promise<(ask: ReceiverAsk) => Promise<ReceiverPorts>> {
  let messages = 0;
  const count = (): void => {
    messages += 1;
  };
  const syslog = createTlsServer({ ...tls, allowHalfOpen: true }, (socket) => {
    const read = frameCounter(count);
    socket.on('data', read).on('end', () => socket.end());
    socket.on('error', () => undefined);
  });
  const held = new Set<Socket>();
  const silent = createTcpServer((socket) => {
    held.add(socket.pause());
    socket.on('error', () => undefined);
  });
  const ports = await Promise.all([syslog, silent].map(listen));
  return () => Promise.resolve({ syslog: ports[0] ?? 0, silent: ports[1] ?? 0, messages });
}

function listen(server: Server): Promise<number> {
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port));
  });
}

/** Calls `onFrame` for each message that was read to its end: its length in octets, a space, its bytes (RFC 6587). */
function frameCounter(onFrame: () => void): (chunk: Buffer) => void {
  let [left, digits] = [0, ''];
  return (chunk) => {
    let place = 0;
    while (place < chunk.length) {
      if (left === 0) {
        const letter = String.fromCharCode(chunk[place] ?? 0);
        place += 1;
        if (letter !== ' ') {
          digits += letter;
          continue;
        }
        [left, digits] = [Number(digits), ''];
      }
      const part = Math.min(left, chunk.length - place);
      left -= part;
      place += part;
      if (left === 0) onFrame();
    }
  };
}
