import { connect as connectTcp, isIP } from 'node:net';
import type { Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { sleep, within } from '../../service/clock.ts';
import type { Clock } from '../../service/clock.ts';
import { formatAddress } from '../../service/config/kind.ts';
import type { Address } from '../../service/config/kind.ts';
import { syslogReason } from './syslog-reason.ts';
import type { ClientTls } from './client-tls.ts';

/** One connection to a receiver of syslog. Failures are texts for people. */
export interface SyslogConnection {
  /** Why it can no longer be used; undefined while it can. */
  readonly lost: () => string | undefined;
  /** Hands bytes to the kernel, as fast as the receiver takes them. */
  readonly write: (bytes: Uint8Array) => Promise<string | undefined>;
  /** Ends it in good order. Undefined: the receiver has read everything that was written. */
  readonly end: () => Promise<string | undefined>;
  readonly destroy: () => void;
}

/** A connection, or why it could not be opened. */
export type OpenedConnection =
  { readonly ok: true; readonly connection: SyslogConnection } | { readonly ok: false; readonly reason: string };

/** Where to, and how. */
export interface SyslogConnectionOptions {
  readonly address: Address;
  /** Absent: without TLS. */
  readonly tls?: ClientTls;
  readonly clock: Clock;
}

const CONNECT_MS = 10_000;
/** Deadlines of a write and of the end of a connection. */
const WRITE_MS = 20_000;
const END_MS = 20_000;
/** An idle connection is probed by the kernel after this time. */
const KEEP_ALIVE_MS = 30_000;
/** Bounds of the time in which a refusal that is under way arrives. */
const QUIET_MS = Object.freeze({ least: 20, most: 1000 });

/** Connects, with TLS up to the point where a refusal of our certificate would have arrived. Never rejects. */
export async function openSyslogConnection(options: SyslogConnectionOptions): Promise<OpenedConnection> {
  const { address, tls, clock } = options;
  const startMs = clock.monotonic();
  const socket = openSocket(address, tls);
  const state = watch(socket, address);
  const ready = new Promise<undefined>((resolve) => {
    socket.once(tls === undefined ? 'connect' : 'secureConnect', () => resolve(undefined));
  });
  const late = (): string => `${formatAddress(address)}: no answer for ${String(CONNECT_MS / 1000)} s`;
  const problem = await within(clock, CONNECT_MS, Promise.race([ready, state.closed.then(state.lost)]), late);
  // A few round trips were needed to come this far: twice the time is enough for what the receiver has sent by now.
  const quietMs = Math.min(Math.max(2 * (clock.monotonic() - startMs), QUIET_MS.least), QUIET_MS.most);
  const pause = (): Promise<void> => sleep(clock, quietMs, state.over);
  // With TLS 1.3 the handshake ends before the receiver has looked at our certificate.
  if (problem === undefined && tls !== undefined) await pause();
  const refused = problem ?? state.lost();
  if (refused !== undefined) {
    socket.destroy();
    return { ok: false, reason: tls === undefined ? refused : orCertificate(refused, problem === undefined) };
  }
  return { ok: true, connection: connectionOn(socket, { ...state, address, clock, pause }) };
}

interface Watched {
  readonly lost: () => string | undefined;
  readonly lose: (reason: string) => void;
  /** Resolves when the socket is closed. */
  readonly closed: Promise<void>;
  /** Aborts then, or as soon as the receiver ends the connection. */
  readonly over: AbortSignal;
  /** From here on the receiver is expected to end it. */
  readonly expectEnd: () => void;
}

function openSocket(address: Address, tls: ClientTls | undefined): Socket {
  const { host, port } = address;
  const keepAlive = { keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_MS, noDelay: true };
  if (tls === undefined) return connectTcp({ host, port, ...keepAlive });
  const socket = connectTls({
    host,
    port,
    ...tls,
    ...(isIP(host) === 0 && { servername: host }),
    minVersion: 'TLSv1.2',
    rejectUnauthorized: true,
  });
  return socket.setNoDelay(true).setKeepAlive(true, KEEP_ALIVE_MS);
}

/** Follows what becomes of a socket. What a receiver sends means nothing in syslog, and is thrown away. */
function watch(socket: Socket, address: Address): Watched {
  let lost: string | undefined;
  let isEndExpected = false;
  let hasEnded = false;
  const over = new AbortController();
  const lose = (reason: string): void => void (lost ??= reason);
  const where = formatAddress(address);
  socket.on('error', (error) => lose(syslogReason(error, address)));
  socket.on('end', () => {
    hasEnded = true;
    if (!isEndExpected) lose(`${where}: the receiver ended the connection`);
    over.abort();
  });
  const closed = new Promise<void>((resolve) => {
    socket.on('close', () => {
      if (!hasEnded || !isEndExpected) lose(`${where}: the connection was broken off`);
      over.abort();
      resolve();
    });
  });
  socket.resume();
  const expectEnd = (): void => void (isEndExpected = true);
  return { lost: () => lost, lose, closed, over: over.signal, expectEnd };
}

interface ConnectionParts extends Watched {
  readonly address: Address;
  readonly clock: Clock;
  readonly pause: () => Promise<void>;
}

function connectionOn(socket: Socket, parts: ConnectionParts): SyslogConnection {
  const { lost, lose, closed, clock, expectEnd, pause } = parts;
  const where = formatAddress(parts.address);
  const giveUp = (what: string, limitMs: number): void => {
    lose(`${where}: the receiver ${what} for ${String(limitMs / 1000)} s`);
    socket.destroy();
  };
  return {
    lost,
    write: async (bytes) => {
      if (lost() !== undefined) return lost();
      const written = new Promise<void>((resolve) => {
        socket.write(bytes, (error) => {
          if (error) lose(syslogReason(error, parts.address));
          resolve();
        });
      });
      await within(clock, WRITE_MS, Promise.race([written, closed]), () => giveUp('has taken nothing', WRITE_MS));
      return lost();
    },
    end: async () => {
      /*
       * Syslog has no acknowledgement. But a receiver ends its side only after it has read up to our end, and the
       * kernel resets the connection of one that goes away with something unread. What must not count as an answer
       * is an end that was under way before ours: the pause lets it arrive.
       */
      await pause();
      if (lost() !== undefined) return lost();
      expectEnd();
      socket.end();
      await within(clock, END_MS, closed, () => giveUp('has not read to the end', END_MS));
      return lost();
    },
    destroy: () => void socket.destroy(),
  };
}

/** Some receivers say nothing, and just hang up on a certificate that they do not like. */
function orCertificate(reason: string, isAfterHandshake: boolean): string {
  if (!isAfterHandshake || reason.includes('certificate')) return reason;
  return `${reason} right after the handshake: it may not accept our certificate (sink-syslog-cert)`;
}
