import { randomUUID } from 'node:crypto';
import type { Authorization } from '../policy/docker/authorize.ts';
import { toDetectionFinding } from '../policy/denial-record.ts';
import type { DenialRecord } from '../policy/denial-record.ts';
import { denialMessage, toDenialRecord } from '../policy/docker/denial.ts';
import type { Clock } from '../service/clock.ts';
import type { Logger } from '../service/log.ts';
import type { RotatedFile } from '../service/rotated-file.ts';

/** Counts requests, and writes down those that violate a policy. */
export interface DenialLog {
  readonly record: (authorization: Authorization, client: string | undefined) => void;
  /** Writes the counters, and waits for the events that are being written. */
  readonly close: () => Promise<void>;
}

/** What a log writes to. */
export interface DenialLogOptions {
  /** Events as NDJSON; undefined: none are written. */
  readonly events: RotatedFile | undefined;
  /** Gets the record of each denial too. */
  readonly report: (record: DenialRecord) => void;
  readonly hostname: string;
  readonly version: string;
  readonly clock: Clock;
  readonly log: Logger;
}

/** A client can cause a denial whenever it wants: beyond this, denials are counted only. */
const BURST = 100;
const PER_SECOND = 10;
/** Events that wait for a slow disk. */
const MAX_WAITING = 1000;
const SUMMARY_MS = 3_600_000;

/** Opens the log. */
export function openDenialLog({ events, report, hostname, version, clock, log }: DenialLogOptions): DenialLog {
  const counts = { allowed: 0, refused: 0, violations: 0, suppressed: 0, eventsLost: 0 };
  let suppressed = 0;
  let tokens = BURST;
  let filledMs = clock.monotonic();
  let waiting = 0;
  let writing = Promise.resolve();
  const hasToken = (): boolean => {
    const nowMs = clock.monotonic();
    tokens = Math.min(BURST, tokens + ((nowMs - filledMs) * PER_SECOND) / 1000);
    filledMs = nowMs;
    if (tokens < 1) return false;
    tokens -= 1;
    return true;
  };
  const append = (file: RotatedFile, event: object): void => {
    if (waiting >= MAX_WAITING) {
      counts.eventsLost += 1;
      return;
    }
    waiting += 1;
    writing = writing
      .then(() => file.append([`${JSON.stringify(event)}\n`]))
      .catch((error: unknown) => {
        counts.eventsLost += 1;
        log.error({ error }, 'an event could not be written');
      })
      .finally(() => {
        waiting -= 1;
      });
  };
  const summarize = (): void => log.info({ ...counts }, 'requests since the start');
  let cancel = (): void => undefined;
  const schedule = (): void => {
    cancel = clock.after(SUMMARY_MS, () => {
      summarize();
      schedule();
    });
  };
  schedule();
  return {
    record: (authorization, client) => {
      const { isAllowed, violations, operation, policy, mode } = authorization;
      counts[isAllowed ? 'allowed' : 'refused'] += 1;
      if (violations.length === 0) return;
      counts.violations += 1;
      if (!hasToken()) {
        suppressed += 1;
        counts.suppressed += 1;
        return;
      }
      const fields = {
        operation,
        policy,
        mode,
        client: client ?? '',
        suppressed,
        reason: denialMessage(authorization),
      };
      if (isAllowed) log.warn(fields, 'a request violates the policy and is let through');
      else log.warn(fields, 'request refused');
      const loggedMs = clock.now();
      const denial = toDenialRecord({ id: randomUUID(), atMs: loggedMs, client, hostname, authorization, suppressed });
      report(denial);
      if (events !== undefined) append(events, toDetectionFinding(denial, { version, uid: denial.id, loggedMs }));
      suppressed = 0;
    },
    close: async () => {
      cancel();
      summarize();
      await writing;
      await events?.close();
    },
  };
}
