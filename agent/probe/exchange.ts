import { connect } from 'node:net';
import type { Socket } from 'node:net';
import type { ProbedService } from './ping.ts';

/** A TCP port of this node. */
export interface Target {
  readonly host: string;
  readonly port: number;
  readonly service: ProbedService;
}

/** How a connection ended: as soon as `isEnough` said so, by the peer, or by us. */
export interface Exchange {
  readonly received: Buffer;
  readonly end: 'enough' | 'closed' | 'timeout' | 'refused';
  /** Error of the connection; empty without one. */
  readonly error: string;
}

const MAX_RECEIVED_BYTES = 256 * 1024;

/** Connects, sends `bytes`, and reads until `isEnough`, the peer's end or the deadline. Never rejects. */
export function exchange(
  target: Target,
  bytes: Buffer,
  isEnough: (received: Buffer) => boolean,
  timeoutMs: number,
): Promise<Exchange> {
  return readUntil(
    connect({ host: target.host, port: target.port, autoSelectFamily: false }),
    'connect',
    bytes,
    isEnough,
    timeoutMs,
  );
}

/** The same over a socket that is being opened; `bytes` go out once it says `ready`. Closes the socket. */
export function readUntil(
  socket: Socket,
  ready: 'connect' | 'secureConnect',
  bytes: Buffer,
  isEnough: (received: Buffer) => boolean,
  timeoutMs: number,
): Promise<Exchange> {
  return new Promise((resolve) => {
    let received = Buffer.alloc(0);
    let isReady = false;
    const finish = (end: Exchange['end'], error = ''): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve({ received, end, error });
    };
    const timer = setTimeout(() => finish('timeout'), timeoutMs);
    socket.once(ready, () => {
      isReady = true;
      socket.write(bytes);
    });
    socket.on('data', (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      if (isEnough(received) || received.length > MAX_RECEIVED_BYTES) finish('enough');
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      const isOfConnecting = !isReady && ready === 'connect';
      finish(isOfConnecting ? 'refused' : 'closed', error.code === undefined ? error.message : describe(error));
    });
    socket.on('end', () => finish('closed'));
    socket.on('close', () => finish('closed'));
  });
}

function describe(error: NodeJS.ErrnoException): string {
  // OpenSSL puts the number of the alert at the end of its message: that says more than the code.
  return error.message.includes('SSL alert number') ? error.message : String(error.code);
}
