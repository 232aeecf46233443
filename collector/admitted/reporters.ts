import type { DenialReport } from '../../api/denial.ts';
import type { Clock } from '../../service/clock.ts';

/** Which admission webhooks report, and up to when each has reported everything. */
export interface AdmissionReporters {
  readonly note: (report: DenialReport, source: string) => void;
  /**
   * Why it is not known whether all pods that were admitted before `seenMs` (wall clock of the collector) were reported;
   * undefined: they were.
   */
  readonly gap: (seenMs: number) => string | undefined;
  /**
   * SHA-256 of each `caBundle` that webhooks keep in their configuration: those that were reported lately, otherwise the
   * last ones. Empty: none was reported since the start.
   */
  readonly caBundles: () => ReadonlySet<string>;
}

interface Reporter {
  readonly name: string;
  /** Last report, monotonic. */
  readonly heardMs: number;
  /** What was admitted before this time was reported, wall clock. */
  readonly completeMs: number;
  readonly dropped: number;
  /** Records of the time before were lost, wall clock; 0: none. */
  readonly lostMs: number;
}

/** A webhook reports every three seconds. */
const SILENT_MS = 30_000;
/** Webhooks that were there before the collector started have so long to report. */
const START_GRACE_MS = 60_000;
/**
 * A webhook that ended without a last report may have admitted pods that nobody knows of; their containers start within
 * this time, or later than anybody can tell.
 */
const LOSS_MS = 3_600_000;
/** Instances that are remembered; the one that reported longest ago is dropped. */
const MAX_REPORTERS = 256;
/** Replicas notice a new authority after ten minutes. */
const BUNDLE_MS = 20 * 60_000;
const MAX_BUNDLES = 64;

/** Nobody has reported yet. */
export function createAdmissionReporters(clock: Pick<Clock, 'now' | 'monotonic'>): AdmissionReporters {
  const startedMs = clock.monotonic();
  const reporters = new Map<string, Reporter>();
  /** When each was reported last, monotonic. */
  const bundles = new Map<string, number>();
  return {
    note: ({ reporter: { program, name, instance, caBundle }, pending, dropped, answeredMs, ended }, source) => {
      if (program !== 'admission') return;
      if (caBundle !== '') noteBundle(bundles, caBundle, clock.monotonic());
      const key = JSON.stringify([source, name, instance]);
      const before = reporters.get(key);
      reporters.delete(key);
      const lostMs = dropped > (before?.dropped ?? 0) ? clock.now() : (before?.lostMs ?? 0);
      if (ended && pending === 0 && lostMs === 0) return;
      // The collector did not set a time that it has not answered yet.
      const answered = Math.min(answeredMs, clock.now());
      const completeMs = pending === 0 ? answered : (before?.completeMs ?? 0);
      reporters.set(key, { name, heardMs: clock.monotonic(), completeMs, dropped, lostMs });
      const [oldest] = reporters.keys();
      if (reporters.size > MAX_REPORTERS && oldest !== undefined) reporters.delete(oldest);
    },
    gap: (seenMs) => {
      const nowMs = clock.monotonic();
      if (nowMs - startedMs < START_GRACE_MS) return 'the collector has just started';
      for (const [key, { heardMs }] of reporters) if (nowMs - heardMs > LOSS_MS) reporters.delete(key);
      if (reporters.size === 0) return 'no admission webhook reports to the collector';
      for (const { name, heardMs, completeMs, lostMs } of reporters.values()) {
        if (lostMs > 0 && seenMs < lostMs + LOSS_MS) return `the admission webhook ${name} lost reports`;
        if (completeMs >= seenMs) continue;
        return nowMs - heardMs > SILENT_MS
          ? `the admission webhook ${name} does not report any more`
          : `the admission webhook ${name} has not reported everything yet`;
      }
      return undefined;
    },
    caBundles: () => new Set(bundles.keys()),
  };
}

/** What was reported long ago goes once something else is reported: silence alone forgets nothing. */
function noteBundle(bundles: Map<string, number>, hash: string, nowMs: number): void {
  bundles.delete(hash);
  bundles.set(hash, nowMs);
  for (const [other, heardMs] of bundles)
    if (nowMs - heardMs > BUNDLE_MS || bundles.size > MAX_BUNDLES) bundles.delete(other);
}
