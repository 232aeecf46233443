import type { Clock } from '../../service/clock.ts';
import type { StoredEvent } from '../store/stored-event.ts';
import type { OcsfEvent } from '../event/ocsf/ocsf.ts';
import type { Sink, SinkOutcome } from './sink.ts';
import type { OpenedConnection, SyslogConnection } from './syslog-connection.ts';
import { framesOf } from './syslog-frame.ts';
import type { Frame, FrameOptions } from './syslog-frame.ts';
import { openWindow } from './syslog-window.ts';

/** What the sink needs. */
export interface SyslogOptions {
  readonly name: string;
  readonly clock: Clock;
  /** Makes the events of a batch, in order. */
  readonly render: (batch: readonly StoredEvent[]) => Promise<readonly OcsfEvent[]>;
  readonly frame: FrameOptions;
  /** Opens a connection to the receiver; never rejects. */
  readonly open: () => Promise<OpenedConnection>;
  /** Events that are sent again after a connection was lost, at most. */
  readonly replay: number;
}

/** Bytes of one write, which has a deadline. */
const WRITE_BYTES = 64 * 1024;
/** Most bytes that are sent before the receiver must confirm. */
const MAX_UNCONFIRMED_BYTES = 4 * 1024 ** 2;
/** While events keep coming, a receiver that is gone without a word is noticed after this time. */
const MAX_UNCONFIRMED_MS = 30_000;
/** No sooner is a receiver tried again; the worker waits longer and longer. */
const RETRY_MS = 1000;

/**
 * RFC 5424 messages over TCP or TLS, counted in octets. Syslog acknowledges nothing, so a connection is ended in order
 * now and then, which only a receiver that has read everything answers in order; until then events are accepted, but not
 * acknowledged, and come again after a loss. No failure needs a person at this end: every one of them is tried again.
 */
export function createSyslogSink({ name, clock, render, frame, open, replay }: SyslogOptions): Sink {
  const window = openWindow({ replay, maxBytes: MAX_UNCONFIRMED_BYTES, maxAgeMs: MAX_UNCONFIRMED_MS });
  /** Time that the receiver took for what is unconfirmed. */
  let busyMs = 0;
  let connection: SyslogConnection | undefined;
  let closed = false;

  const connected = async (): Promise<OpenedConnection> => {
    if (connection !== undefined) return { ok: true, connection };
    const opened = await open();
    if (opened.ok && closed) {
      opened.connection.destroy();
      return { ok: false, reason: CLOSED };
    }
    if (opened.ok) connection = opened.connection;
    return opened;
  };
  /** Undefined: the receiver has read everything. */
  const confirm = async (): Promise<string | undefined> => {
    const problem = await timed(() => connection?.end());
    if (problem === undefined) connection = undefined;
    return problem;
  };
  const timed = async <T>(work: () => Promise<T> | undefined): Promise<T | undefined> => {
    const startMs = clock.monotonic();
    const result = await work();
    busyMs += clock.monotonic() - startMs;
    return result;
  };
  const takeBusyMs = (): number => {
    const elapsedMs = busyMs;
    busyMs = 0;
    return elapsedMs;
  };
  /** Undefined: all were handed over. */
  const write = async (frames: readonly Frame[]): Promise<string | undefined> => {
    let rest = frames;
    while (rest.length > 0) {
      if (window.isFull(clock.monotonic())) {
        const problem = await confirm();
        if (problem !== undefined) return problem;
        window.confirmed(clock.monotonic(), takeBusyMs());
      }
      const to = await connected();
      if (!to.ok) return to.reason;
      const group = firstOf(rest, window.room(), Math.min(WRITE_BYTES, window.roomBytes()));
      for (const { position, bytes } of group) window.sent(position, bytes.length, clock.monotonic());
      const bytes = Buffer.concat(group.map((frame) => frame.bytes));
      const problem = await timed(() => to.connection.write(bytes));
      if (problem !== undefined) return problem;
      rest = rest.slice(group.length);
    }
    return undefined;
  };
  const acknowledge = async (): Promise<string | undefined> => {
    const problem = await confirm();
    if (problem === undefined) window.allAcknowledged(takeBusyMs());
    return problem;
  };
  const failed = (reason: string): SinkOutcome => {
    connection?.destroy();
    connection = undefined;
    window.lost();
    busyMs = 0;
    return { outcome: 'retry', afterMs: RETRY_MS, reason, acknowledged: window.acknowledged() };
  };
  const send = async (batch: readonly StoredEvent[]): Promise<SinkOutcome> => {
    if (closed) return { outcome: 'retry', afterMs: RETRY_MS, reason: CLOSED };
    const lost = connection?.lost();
    if (lost !== undefined) return failed(lost);
    const ocsf = batch.length === 0 ? [] : await render(batch);
    const { frames, tooLarge } = framesOf(batch, ocsf, frame);
    const isLast = batch.length === 0 || tooLarge.length > 0;
    const problem = (await write(frames)) ?? (isLast ? await acknowledge() : undefined);
    if (problem !== undefined) return failed(problem);
    if (tooLarge.length === 0) return { outcome: 'ok', acknowledged: window.acknowledged() };
    const reason = `not even the summary of the event has at most ${String(frame.maxBytes)} bytes`;
    return { outcome: 'reject', uids: tooLarge, reason };
  };
  return {
    name,
    send,
    close: async () => {
      closed = true;
      connection?.destroy();
    },
  };
}

const CLOSED = 'the sink is closed';

/** The first frames that are written at once: at least one, at most `room` and `roomBytes`. */
function firstOf(frames: readonly Frame[], room: number, roomBytes: number): readonly Frame[] {
  let left = roomBytes;
  const end = frames.findIndex(({ bytes }, index) => (left -= bytes.length) < 0 && index > 0);
  return frames.slice(0, Math.max(1, Math.min(end === -1 ? frames.length : end, room)));
}
