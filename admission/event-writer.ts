import { randomUUID } from 'node:crypto';
import { safeJson } from '../api/safe.ts';
import type { EventContext } from './detection-event.ts';

/** Where lines of events go. */
export interface EventOutput {
  readonly write: (line: string) => unknown;
  /** Bytes that the reader has not taken yet. */
  readonly writableLength: number;
}

/** Writes events as NDJSON. */
export interface EventWriter {
  /** Writes the event that `make` returns, or counts it as suppressed where there are too many. */
  readonly write: (
    make: (context: Omit<EventContext, 'version'>) => Readonly<Record<string, unknown>> | undefined,
  ) => void;
}

/** A controller whose pod is denied tries again and again, and whoever may create pods can do so in a loop. */
const BURST = 200;
const PER_SECOND = 20;
/** A log reader that stopped must not fill the memory. */
const MAX_WAITING_BYTES = 1024 * 1024;

/** A writer with a rate limit: bursts of 200 events, 20 a second. The next event says how many were suppressed. */
export function createEventWriter(output: EventOutput, now: () => number): EventWriter {
  let [tokens, atMs, suppressed] = [BURST, now(), 0];
  return {
    write: (make) => {
      const nowMs = now();
      tokens = Math.min(BURST, tokens + (Math.max(0, nowMs - atMs) / 1000) * PER_SECOND);
      atMs = nowMs;
      if (tokens < 1 || output.writableLength > MAX_WAITING_BYTES) {
        suppressed += 1;
        return;
      }
      const event = make({ nowMs, eventId: randomUUID(), suppressed });
      [tokens, suppressed] = [tokens - 1, 0];
      output.write(`${safeJson(event)}\n`);
    },
  };
}
