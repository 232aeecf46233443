/** Limits of what is at risk. */
export interface WindowLimits {
  /** Events that are sent again after a connection was lost, at most. */
  readonly replay: number;
  /** Most bytes that are sent before the receiver must confirm. */
  readonly maxBytes: number;
  /** Longest time that something stays unconfirmed while more follows. */
  readonly maxAgeMs: number;
}

/** What was sent to a receiver, by position in the outbox, and what of it may be needed again. */
export interface SyslogWindow {
  /** Position up to which nothing will be needed again. */
  readonly settled: () => number;
  /** The receiver must confirm before more is sent. */
  readonly isFull: (nowMs: number) => boolean;
  /** Events that may still be sent before it is full. */
  readonly room: () => number;
  readonly sent: (position: number, bytes: number, nowMs: number) => void;
  /** The receiver has read everything. */
  readonly confirmed: () => void;
  /** The receiver has read everything and is left alone for now. */
  readonly allSettled: () => void;
  /** The connection was lost: all that is not settled will come again. */
  readonly lost: () => void;
}

/**
 * Confirmation is asked for every half window, and settles what was confirmed the time before: a receiver that is
 * killed may have read events that it had not yet written down, and those are among the last half window. After a loss
 * the half shrinks, so that a receiver that never lasts long gets on all the same.
 */
export function openWindow({ replay, maxBytes, maxAgeMs }: WindowLimits): SyslogWindow {
  const half = Math.max(1, Math.floor(replay / 2));
  let limit = half;
  let [settled, confirmed, newest] = [0, 0, 0];
  let [count, bytes, firstMs] = [0, 0, 0];
  const clear = (): void => {
    [count, bytes] = [0, 0];
  };
  return {
    settled: () => settled,
    isFull: (nowMs) => count >= limit || bytes >= maxBytes || (count > 0 && nowMs - firstMs >= maxAgeMs),
    room: () => Math.max(0, limit - count),
    sent: (position, size, nowMs) => {
      if (count === 0) firstMs = nowMs;
      count += 1;
      bytes += size;
      newest = position;
    },
    confirmed: () => {
      settled = Math.max(settled, confirmed);
      confirmed = newest;
      limit = Math.min(half, limit * 2);
      clear();
    },
    allSettled: () => {
      settled = confirmed = Math.max(settled, newest);
      limit = half;
      clear();
    },
    lost: () => {
      if (count > 0) limit = Math.max(1, Math.floor(limit / 2));
      confirmed = newest = settled;
      clear();
    },
  };
}
