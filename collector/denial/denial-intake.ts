import type { DenialReport } from '../../api/denial.ts';
import type { Clock } from '../../service/clock.ts';
import type { Issue } from '../status/collector-status.ts';
import type { AdmissionReporters } from '../admitted/reporters.ts';
import type { EventBus } from '../store/event-bus.ts';
import type { DenialBatch, Store } from '../store/store.ts';

/** Takes what enforcing programs report. */
export interface DenialIntake {
  /** Stores the denials of a report. `source` names the operator token that it came with. Rejects as the store does. */
  readonly take: (report: DenialReport, source: string) => Promise<IntakeResult>;
  /** Programs whose records were lost. */
  readonly issues: () => readonly Issue[];
}

/** `limited`: too many for now, nothing was stored. */
export type IntakeResult =
  | { readonly outcome: 'stored'; readonly stored: number }
  | { readonly outcome: 'limited'; readonly retryAfterMs: number };

/** What an intake needs. */
export interface DenialIntakeOptions {
  readonly store: Pick<Store, 'recordDenials' | 'recordAdmissions'>;
  readonly reporters: Pick<AdmissionReporters, 'note'>;
  readonly eventBus: Pick<EventBus, 'announce'>;
  readonly clock: Pick<Clock, 'now' | 'monotonic'>;
}

/**
 * Denials that one source may report at once, and each second in the long run. A webhook replica writes 20 a second at most; after
 * an absence of the collector a queue of 32 MiB arrives in some minutes.
 */
const BURST = 2_000;
const PER_SECOND = 100;
const FULL_RETRY_MS = 30_000;
/** Sources and reporters that are remembered; the one that reported longest ago is dropped. */
const MAX_SOURCES = 500;
const MAX_REPORTERS = 1_000;

interface Bucket {
  readonly tokens: number;
  readonly updatedMs: number;
}

/** An intake that has taken nothing yet. */
export function createDenialIntake({ store, reporters, eventBus, clock }: DenialIntakeOptions): DenialIntake {
  const buckets = new Map<string, Bucket>();
  const losses = new Map<string, { readonly name: string; readonly program: string; readonly dropped: number }>();
  /** Counts `count` denials; 0: they may be stored, otherwise after how many milliseconds. */
  const limit = (source: string, count: number): number => {
    const nowMs = clock.monotonic();
    const { tokens, updatedMs } = buckets.get(source) ?? { tokens: BURST, updatedMs: nowMs };
    const left = Math.min(BURST, tokens + ((nowMs - updatedMs) * PER_SECOND) / 1000) - count;
    remember(buckets, source, { tokens: left < 0 ? left + count : left, updatedMs: nowMs }, MAX_SOURCES);
    return left < 0 ? Math.ceil((-left * 1000) / PER_SECOND) : 0;
  };
  let hasBegun = false;
  /** How many were new; undefined: too many wait for the sinks. */
  const recordDenials = async (batch: DenialBatch): Promise<number | undefined> => {
    const recorded = await store.recordDenials(batch);
    if (recorded.outcome === 'full') return undefined;
    if (recorded.stored > 0) eventBus.announce(recorded.newest);
    return recorded.stored;
  };
  return {
    take: async (report, source) => {
      const { reporter, dropped, denials, admitted } = report;
      const { program, name, instance } = reporter;
      let count = 0;
      const waitMs = limit(source, denials.length + admitted.length);
      if (waitMs > 0) return { outcome: 'limited', retryAfterMs: waitMs };
      const key = JSON.stringify([source, program, name, instance]);
      if (dropped > 0) remember(losses, key, { name, program, dropped }, MAX_REPORTERS);
      const receivedMs = clock.now();
      if (program === 'admission' && (admitted.length > 0 || !hasBegun)) {
        await store.recordAdmissions({ source, receivedMs, pods: admitted });
        hasBegun = true;
      }
      if (denials.length > 0) {
        const stored = await recordDenials({ source, reporter: name, receivedMs, denials });
        if (stored === undefined) return { outcome: 'limited', retryAfterMs: FULL_RETRY_MS };
        count = stored;
      }
      // Only what is stored counts as reported.
      reporters.note(report, source);
      return { outcome: 'stored', stored: count };
    },
    issues: () => [...losses.values()].map(lossIssue),
  };
}

function remember<V>(map: Map<string, V>, key: string, value: V, most: number): void {
  map.delete(key);
  map.set(key, value);
  const oldest = map.keys().next().value;
  if (map.size > most && oldest !== undefined) map.delete(oldest);
}

function lossIssue({ name, program, dropped }: { name: string; program: string; dropped: number }): Issue {
  return {
    code: 'denialsDropped',
    subject: name,
    text: `plimsoll ${program} at ${name} lost ${String(dropped)} denials before the collector got them`,
    advice: 'its disk was full, or the collector was away for too long; its own log or events file has them',
  };
}
