import { createSocket } from 'node:dgram';
import type { Socket } from 'node:dgram';
import { lookup } from 'node:dns/promises';
import { sleep, within } from '../../service/clock.ts';
import type { Clock } from '../../service/clock.ts';
import type { Address } from '../../service/config/kind.ts';
import type { StoredEvent } from '../store/stored-event.ts';
import type { OcsfEvent } from '../event/ocsf/ocsf.ts';
import type { Sink, SinkOutcome } from './sink.ts';
import { framesOf } from './syslog-frame.ts';
import type { Frame, FrameOptions } from './syslog-frame.ts';
import { syslogReason } from './syslog-reason.ts';

/** What the sink needs. */
export interface SyslogUdpOptions {
  readonly name: string;
  readonly clock: Clock;
  /** Makes the events of a batch, in order. */
  readonly render: (batch: readonly StoredEvent[]) => Promise<readonly OcsfEvent[]>;
  readonly frame: Omit<FrameOptions, 'framing'>;
  readonly address: Address;
}

/** Largest payload of a UDP datagram over IPv4: 65,535 bytes less the headers of IP and UDP. */
const MAX_DATAGRAM_BYTES = 65_507;
/** Bytes that are sent without a pause. Receive buffers of Linux have about 208 KiB, which overflow without a sign. */
const BURST_BYTES = 32 * 1024;
/** Pause after a burst and at the end of a batch. In it, the refusal of a closed port arrives from a near receiver. */
const PAUSE_MS = 5;
const RESOLVE_MS = 10_000;
const RETRY_MS = 1000;

/**
 * RFC 5424 messages over UDP (RFC 5426): one in a datagram. The sender cannot know whether a datagram arrived, so a
 * batch counts as delivered once it is sent. Only a receiver that refuses datagrams is noticed: its batch is sent
 * again.
 */
export function createSyslogUdpSink({ name, clock, render, frame, address }: SyslogUdpOptions): Sink {
  const options: FrameOptions = {
    ...frame,
    maxBytes: Math.min(frame.maxBytes, MAX_DATAGRAM_BYTES),
    framing: 'datagram',
  };
  const closing = new AbortController();
  let open: OpenSocket | undefined;
  const failed = (reason: string): SinkOutcome => {
    open?.socket.close();
    open = undefined;
    return { outcome: 'retry', afterMs: RETRY_MS, reason };
  };
  /** Undefined: all were sent, and none was refused so far. */
  const write = async ({ socket, refusal }: OpenSocket, frames: readonly Frame[]): Promise<string | undefined> => {
    let burst = 0;
    for (const { bytes } of frames) {
      if (closing.signal.aborted) return CLOSED;
      const error = await new Promise<Error | null>((resolve) => socket.send(bytes, resolve));
      if (error !== null) return syslogReason(error, address);
      burst += bytes.length;
      if (burst < BURST_BYTES) continue;
      burst = 0;
      await sleep(clock, PAUSE_MS, closing.signal);
    }
    await sleep(clock, PAUSE_MS, closing.signal);
    return closing.signal.aborted ? CLOSED : refusal();
  };
  const send = async (batch: readonly StoredEvent[]): Promise<SinkOutcome> => {
    if (closing.signal.aborted) return failed(CLOSED);
    if (batch.length === 0) return { outcome: 'ok' };
    const { frames, tooLarge } = framesOf(batch, await render(batch), options);
    const opened = open ?? (await connect(address, clock));
    if (typeof opened === 'string') return failed(opened);
    open = opened;
    const problem = await write(opened, frames);
    if (problem !== undefined) return failed(problem);
    if (tooLarge.length === 0) return { outcome: 'ok' };
    const reason = `the summary of the event has more than ${String(options.maxBytes)} bytes`;
    return { outcome: 'reject', uids: tooLarge, reason };
  };
  return {
    name,
    send,
    close: async () => {
      closing.abort();
      if (open !== undefined) failed(CLOSED);
    },
  };
}

const CLOSED = 'the sink is closed';

interface OpenSocket {
  readonly socket: Socket;
  /** Why the receiver refused a datagram; undefined: no sign of it. */
  readonly refusal: () => string | undefined;
}

/** A socket that is connected to the receiver, and so learns of its refusals; or why it could not be opened. */
async function connect(address: Address, clock: Clock): Promise<OpenSocket | string> {
  let refusal: string | undefined;
  const late = (): undefined => undefined;
  try {
    const found = await within(clock, RESOLVE_MS, lookup(address.host), late);
    if (found === undefined) return `${address.host} could not be resolved within ${String(RESOLVE_MS / 1000)} s`;
    const { address: ip, family } = found;
    const socket = createSocket(family === 6 ? 'udp6' : 'udp4');
    socket.on('error', (error) => void (refusal ??= syslogReason(error, address)));
    await new Promise<void>((resolve) => {
      socket.once('connect', () => resolve());
      socket.once('error', () => resolve());
      socket.connect(address.port, ip);
    });
    if (refusal === undefined) return { socket, refusal: () => refusal };
    socket.close();
    return refusal;
  } catch (error) {
    return syslogReason(error, address);
  }
}
