import { randomUUID } from 'node:crypto';
import { safeJson } from '../api/safe.ts';
import { toDetectionFinding } from '../policy/denial-record.ts';
import type { DenialRecord } from '../policy/denial-record.ts';
import type { RecordContext } from './denial-record.ts';

/** Where lines of events go. */
export interface EventOutput {
  readonly write: (line: string) => unknown;
  /** Bytes that the reader has not taken yet. */
  readonly writableLength: number;
}

/** Writes denials as events. */
export interface EventWriter {
  /** Writes the record that `make` returns, or counts it as suppressed where there are too many. */
  readonly write: (make: (context: RecordContext) => DenialRecord) => void;
}

/** What a writer works with. */
export interface EventWriterOptions {
  readonly output: EventOutput;
  /** Gets each record too. */
  readonly report: (record: DenialRecord) => void;
  readonly version: string;
  readonly now: () => number;
}

/** A controller whose pod is denied tries again and again, and whoever may create pods can do so in a loop. */
const BURST = 200;
const PER_SECOND = 20;
/** A log reader that stopped must not fill the memory. */
const MAX_WAITING_BYTES = 1024 * 1024;

/**
 * A writer with a rate limit: bursts of 200 records, 20 a second. The next record says how many were suppressed. Each is
 * one line of NDJSON, unless the reader of the output has stopped, and is reported in any case.
 */
export function createEventWriter({ output, report, version, now }: EventWriterOptions): EventWriter {
  let [tokens, atMs, suppressed] = [BURST, now(), 0];
  let notWritten = 0;
  return {
    write: (make) => {
      const nowMs = now();
      tokens = Math.min(BURST, tokens + (Math.max(0, nowMs - atMs) / 1000) * PER_SECOND);
      atMs = nowMs;
      if (tokens < 1) {
        suppressed += 1;
        return;
      }
      const record = make({ nowMs, id: randomUUID(), suppressed });
      [tokens, suppressed] = [tokens - 1, 0];
      report(record);
      if (output.writableLength > MAX_WAITING_BYTES) {
        notWritten += 1 + record.suppressed;
        return;
      }
      const event = { ...record, suppressed: record.suppressed + notWritten };
      notWritten = 0;
      output.write(`${safeJson(toDetectionFinding(event, { version, uid: record.id, loggedMs: nowMs }))}\n`);
    },
  };
}
