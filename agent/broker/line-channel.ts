import type { Socket } from 'node:net';
import type { Clock } from '../../service/clock.ts';

/** One JSON object a line over a socket, bounded in both directions. */
export interface LineChannel {
  /** The lines that arrive, without the line feed. Throws where one is longer than the limit; ends with the socket. */
  readonly lines: () => AsyncGenerator<Buffer>;
  /** Writes one message. Resolves once the other side has taken it, or the socket is closed. */
  readonly send: (message: object) => Promise<void>;
  /** Whether earlier messages still wait for the other side. */
  readonly isBusy: () => boolean;
  readonly close: () => void;
}

const LINE_FEED = 0x0a;
/** A peer that takes nothing for so long is not coming back. */
const SEND_DEADLINE_MS = 30_000;

/** Wraps a connected socket. `maxBytes` bounds a line that arrives. */
export function createLineChannel(socket: Socket, maxBytes: number, clock: Clock): LineChannel {
  // Without a listener, an error of the socket ends the process; `close` follows, and that is what we act on.
  socket.on('error', () => {});
  return {
    lines: () => splitLines(socket, maxBytes),
    send: (message) =>
      new Promise((resolve) => {
        if (socket.destroyed || !socket.writable) return resolve();
        const settle = (): void => {
          cancel();
          socket.off('close', settle);
          resolve();
        };
        const cancel = clock.after(SEND_DEADLINE_MS, () => socket.destroy());
        socket.once('close', settle);
        socket.write(`${JSON.stringify(message)}\n`, settle);
      }),
    isBusy: () => socket.writableLength > 0,
    close: () => socket.destroy(),
  };
}

async function* splitLines(socket: Socket, maxBytes: number): AsyncGenerator<Buffer> {
  let parts: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of socket as AsyncIterable<Buffer>) {
    let start = 0;
    for (let end = chunk.indexOf(LINE_FEED); end !== -1; end = chunk.indexOf(LINE_FEED, start)) {
      const last = chunk.subarray(start, end);
      start = end + 1;
      if (bytes + last.length > maxBytes) throw new Error(`a message of more than ${String(maxBytes)} bytes`);
      yield parts.length === 0 ? last : Buffer.concat([...parts, last]);
      parts = [];
      bytes = 0;
    }
    if (start === chunk.length) continue;
    parts.push(chunk.subarray(start));
    bytes += chunk.length - start;
    if (bytes > maxBytes) throw new Error(`a message of more than ${String(maxBytes)} bytes`);
  }
}
