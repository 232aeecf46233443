import { waiverUse } from '../../policy/waiver.ts';
import type { WaiverUse } from '../../policy/waiver.ts';
import * as s from '../../posture/schema.ts';
import { sleep } from '../../service/clock.ts';
import type { Clock } from '../../service/clock.ts';
import type { Logger } from '../../service/log.ts';
import { openListFile } from '../enrollment/list-file.ts';
import type { ListFile } from '../enrollment/list-file.ts';
import { tell } from '../session/writer.ts';
import type { Issue } from '../status/collector-status.ts';
import type { EventBus } from '../store/event-bus.ts';
import type { ReviewPlace, Store } from '../store/store.ts';
import { createWaiverSet } from './waiver-set.ts';
import type { LoadedWaivers, WaiverSet } from './waiver-set.ts';

/** What keeps waivers needs. */
export interface KeepWaiversOptions extends OpenWaivers {
  readonly store: Pick<Store, 'reviewWaivers' | 'waivedCounts' | 'counts'>;
  readonly eventBus: EventBus;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/** A waiver and what it does; without `state` it was not reviewed since it was read. */
export interface ListedFindingWaiver extends Pick<WaiverUse, 'waiver'>, Partial<Omit<WaiverUse, 'waiver'>> {}

/** Waivers of findings, as they are kept current. */
export interface KeptWaivers {
  /** The files say something else. */
  readonly use: (loaded: LoadedWaivers) => void;
  /** What each waiver does; undefined before the first review. */
  readonly uses: () => readonly WaiverUse[] | undefined;
  /** All waivers of the files, also before a review. */
  readonly list: () => readonly ListedFindingWaiver[];
  /** Waivers that have expired, accept nothing or accept too much. */
  readonly issues: () => readonly Issue[];
  /** Resolves once the signal has aborted and nothing runs any more. */
  readonly over: Promise<void>;
}

/** Containers start and images become known: what waivers accept is decided again after this time. */
const INTERVAL_MS = 45_000;
/** Findings that are decided about in one transaction: some milliseconds. */
const PAGE = 200;
/** Waivers that an issue names. */
const MAX_NAMED = 10;

/** The waivers, and where it is kept which of them have ended. */
export interface OpenWaivers {
  readonly set: WaiverSet;
  readonly endedFile: ListFile<string>;
}

/** Opens the waivers that have ended before. Throws StartError, as `openListFile`. */
export async function openWaivers(path: string): Promise<OpenWaivers> {
  const endedFile = await openListFile<string>(path, s.list(s.string('', 32), '', 100_000));
  return { set: createWaiverSet(endedFile.all()), endedFile };
}

/**
 * Decides which findings waivers accept, whenever the files change, the moment a waiver begins or ends, and at an
 * interval, until `signal` aborts.
 */
export function keepWaivers(options: KeepWaiversOptions): KeptWaivers {
  const { set, store, eventBus, clock, log, signal } = options;
  let wake = Promise.withResolvers<void>();
  let uses: readonly WaiverUse[] | undefined;

  const review = async (atMs: number): Promise<void> => {
    if (set.noteEnded(atMs)) await keepEnded(options);
    let after: ReviewPlace | undefined;
    let changed = 0;
    do {
      const { change, next } = await store.reviewWaivers({ limit: PAGE, atMs, ...(after !== undefined && { after }) });
      changed += change.count;
      tell(eventBus, change);
      after = next;
      await new Promise(setImmediate);
    } while (after !== undefined && !signal.aborted);
    if (changed > 0) log.info({ findings: changed }, 'findings became waived, or are not waived any more');
    uses = usesOf(set, { accepted: await store.waivedCounts(), open: await openCount(store), nowMs: atMs });
  };
  /** Resolves to how long it may take until the next one. */
  const reviewIfDue = async (isWoken: boolean): Promise<number> => {
    const loaded = set.loaded();
    if (loaded === undefined) return INTERVAL_MS;
    // Without waivers there is nothing that time changes.
    if (!isWoken && uses?.length === 0 && !loaded.isIncomplete) return INTERVAL_MS;
    const atMs = clock.now();
    await review(atMs);
    return Math.max(1, Math.min(INTERVAL_MS, set.nextChange(atMs) - clock.now()));
  };
  const run = async (): Promise<void> => {
    let isWoken = true;
    while (!signal.aborted) {
      let waitMs = INTERVAL_MS;
      try {
        waitMs = await reviewIfDue(isWoken);
      } catch (error) {
        if (signal.aborted) break;
        log.warn({ error }, 'waivers could not be applied; it is tried again');
      }
      const stop = new AbortController();
      isWoken = await Promise.race([
        wake.promise.then(() => true),
        sleep(clock, waitMs, AbortSignal.any([signal, stop.signal])).then(() => false),
      ]);
      stop.abort();
      if (isWoken) wake = Promise.withResolvers();
    }
  };
  return {
    use: (loaded) => {
      set.use(loaded);
      wake.resolve();
    },
    uses: () => uses,
    list: () => (set.loaded()?.waivers ?? []).map((waiver) => uses?.find((use) => use.waiver === waiver) ?? { waiver }),
    issues: () => issuesOf(uses ?? []),
    over: run(),
  };
}

async function keepEnded({ set, endedFile, log }: KeepWaiversOptions): Promise<void> {
  await endedFile
    .update(() => [...set.ended()])
    .catch((error: unknown) => {
      log.warn({ error }, 'which waivers have ended could not be written; after a restart the clock decides');
    });
}

/** Failures, and findings that need a person: open and waived. */
async function openCount(store: Pick<Store, 'counts'>): Promise<number> {
  const rows = await store.counts();
  return rows
    .filter(({ verdict }) => verdict === 'fail' || verdict === 'manual')
    .reduce((sum, { count }) => sum + count, 0);
}

function usesOf(
  set: WaiverSet,
  {
    accepted,
    open,
    nowMs,
  }: { readonly accepted: ReadonlyMap<string, number>; readonly open: number; readonly nowMs: number },
): readonly WaiverUse[] {
  return (set.loaded()?.waivers ?? []).map((waiver) =>
    waiverUse(waiver, {
      findings: accepted.get(waiver.name) ?? 0,
      open,
      // One that has ended stays so, whatever the clock says.
      nowMs: set.hasEnded(waiver) ? Infinity : nowMs,
    }),
  );
}

const ISSUES = {
  expired: {
    code: 'waiverExpired',
    text: 'expired, so that the findings are open again',
    advice: 'fix the findings, or decide again until when they are accepted; then change or remove the waiver',
  },
  unused: {
    code: 'waiverUnused',
    text: 'accepted no finding of the fleet',
    advice: 'remove it, or correct its match; plimsoll findings lists what there is',
  },
  broad: {
    code: 'waiverBroad',
    text: 'accepted more than half of all findings that fail or need a person',
    advice:
      'name the subjects, nodes or images that it is meant for, so that it does not accept what nobody has looked at',
  },
} as const;

function issuesOf(uses: readonly WaiverUse[]): readonly Issue[] {
  return (['expired', 'unused', 'broad'] as const).flatMap((state): readonly Issue[] => {
    const names = uses.filter((use) => use.state === state).map(({ waiver }) => waiver.name);
    const [subject] = names;
    if (subject === undefined) return [];
    const { code, text, advice } = ISSUES[state];
    const list = names.slice(0, MAX_NAMED).join(', ') + (names.length > MAX_NAMED ? ', …' : '');
    const count = names.length === 1 ? '1 waiver' : `${String(names.length)} waivers`;
    return [{ code, subject, text: `${count} ${text}: ${list}`, advice }];
  });
}
