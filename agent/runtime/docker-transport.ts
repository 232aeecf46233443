import { openConnection } from './connection.ts';
import type { Connection, ResponseReceiver } from './connection.ts';

/** The way to an engine on a unix socket. */
export interface Transport {
  /**
   * Sends a GET and tells the receiver what comes back. Returns a function that gives the request up; then the
   * receiver hears nothing more.
   */
  readonly get: (path: string, receiver: ResponseReceiver) => () => void;
}

/** Connections that are kept for the next request. */
const MAX_IDLE = 8;
/** A round asks hundreds of times in a row, and then not for minutes. */
const IDLE_MS = 1000;
/** What a connection breaks with that the engine had closed before our request came. */
const STALE_CODES: ReadonlySet<string | undefined> = new Set(['ECONNRESET', 'EPIPE']);

/**
 * Connections of its own, kept for a moment between requests. It speaks no more HTTP than a GET over a local socket
 * needs; node:http would cost three times as much CPU for each answer (docs/decisions/0002).
 */
export function createTransport(socketPath: string): Transport {
  const idle = new Set<Connection>();
  let timer: NodeJS.Timeout | undefined;

  const closeIdle = (): void => {
    timer = undefined;
    for (const connection of idle) connection.close();
  };
  const keep = (connection: Connection): void => {
    if (!connection.isIdle()) return;
    if (idle.size >= MAX_IDLE) return connection.close();
    idle.add(connection);
    if (timer === undefined) timer = setTimeout(closeIdle, IDLE_MS).unref();
    else timer.refresh();
  };
  const open = (): Connection => openConnection(socketPath, (over) => idle.delete(over));
  const takeIdle = (): Connection | undefined => {
    const [kept] = idle;
    if (kept !== undefined) idle.delete(kept);
    return kept;
  };

  return {
    get: (path, receiver) => {
      let current: Connection | undefined;
      const send = (kept: Connection | undefined): void => {
        const connection = kept ?? open();
        current = connection;
        connection.get(path, {
          onHead: receiver.onHead,
          onBody: receiver.onBody,
          onEnd: () => {
            current = undefined;
            keep(connection);
            receiver.onEnd();
          },
          onError: (error) => {
            current = undefined;
            if (kept !== undefined && isStale(kept, error)) return send(undefined);
            receiver.onError(error);
          },
        });
      };
      send(takeIdle());
      return () => current?.close();
    },
  };
}

/** Was it closed before our request could be read? A GET may be sent twice. */
function isStale(connection: Connection, error: NodeJS.ErrnoException): boolean {
  return !connection.hasAnswered() && (error.code === undefined || STALE_CODES.has(error.code));
}
