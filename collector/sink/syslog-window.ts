/** Limits of what may be sent before the receiver must confirm. */
export interface WindowLimits {
  /** Events that are sent again after a connection was lost, at most. */
  readonly replay: number;
  readonly maxBytes: number;
  /** Longest time that something stays unconfirmed while more follows. */
  readonly maxAgeMs: number;
}

/** What was sent to a receiver, by position in the outbox, and what of it may be needed again. */
export interface SyslogWindow {
  /** Position up to which nothing will be needed again. */
  readonly acknowledged: () => number;
  /** The receiver must confirm before more is sent. */
  readonly isFull: (nowMs: number) => boolean;
  /** Events that may still be sent before it is full. */
  readonly room: () => number;
  /** Bytes that may still be sent before it is full. A first event larger than that may be sent all the same. */
  readonly roomBytes: () => number;
  readonly sent: (position: number, bytes: number, nowMs: number) => void;
  /** The receiver has read everything. `busyMs`: time spent in writing and in waiting for the confirmation. */
  readonly confirmed: (nowMs: number, busyMs: number) => void;
  /** The receiver has read everything and nothing more follows for now. */
  readonly allAcknowledged: (busyMs: number) => void;
  /** The connection was lost: all that is not acknowledged will come again. */
  readonly lost: () => void;
}

/** The first window: small enough for a receiver behind a slow line to confirm it in time. */
const FIRST_BYTES = 64 * 1024;
/** A window is sized so that the receiver needs this long for it, well within the deadline of a confirmation. */
const TARGET_MS = 4000;

/** Events up to `position` were confirmed; `total`: how many were by then. */
interface Confirmation {
  readonly position: number;
  readonly total: number;
  readonly atMs: number;
}

/**
 * Confirmation is requested for every half window of events. It acknowledges what was confirmed half a window or
 * `maxAgeMs` before: a receiver that is killed may have read events that it had not yet written to its disk.
 *
 * A window that the receiver cannot read before the deadline of a confirmation would be sent again for ever. So windows
 * start small and double, but never beyond what the receiver was measured to read in {@link TARGET_MS}; a lost
 * connection halves them.
 */
export function openWindow({ replay, maxBytes, maxAgeMs }: WindowLimits): SyslogWindow {
  const half = Math.max(1, Math.floor(replay / 2));
  let limit = half;
  let byteLimit = Math.min(FIRST_BYTES, maxBytes);
  let [acknowledged, newest, total] = [0, 0, 0];
  let confirmations: Confirmation[] = [];
  let [count, bytes, firstMs] = [0, 0, 0];
  const clear = (): void => {
    [count, bytes] = [0, 0];
  };
  const grow = (busyMs: number): void => {
    const readInTime = (bytes / Math.max(1, busyMs)) * TARGET_MS;
    // A window that was hardly filled measures the round trip, not the receiver.
    const isMeasured = bytes * 2 >= byteLimit || busyMs >= TARGET_MS;
    if (isMeasured) byteLimit = Math.min(maxBytes, byteLimit * 2, Math.max(1, Math.floor(readInTime)));
  };
  return {
    acknowledged: () => acknowledged,
    isFull: (nowMs) => count >= limit || bytes >= byteLimit || (count > 0 && nowMs - firstMs >= maxAgeMs),
    room: () => Math.max(0, limit - count),
    roomBytes: () => Math.max(0, byteLimit - bytes),
    sent: (position, size, nowMs) => {
      if (count === 0) firstMs = nowMs;
      count += 1;
      bytes += size;
      newest = position;
    },
    confirmed: (nowMs, busyMs) => {
      total += count;
      const isAcknowledged = (one: Confirmation): boolean => total - one.total >= limit || nowMs - one.atMs >= maxAgeMs;
      acknowledged = confirmations.findLast(isAcknowledged)?.position ?? acknowledged;
      confirmations = confirmations.filter((one) => !isAcknowledged(one));
      confirmations.push({ position: newest, total, atMs: nowMs });
      limit = Math.min(half, limit * 2);
      grow(busyMs);
      clear();
    },
    allAcknowledged: (busyMs) => {
      acknowledged = Math.max(acknowledged, newest);
      confirmations = [];
      limit = half;
      grow(busyMs);
      clear();
    },
    lost: () => {
      if (count > 0) {
        limit = Math.max(1, Math.floor(limit / 2));
        byteLimit = Math.max(1, Math.floor(byteLimit / 2));
      }
      newest = acknowledged;
      confirmations = [];
      clear();
    },
  };
}
