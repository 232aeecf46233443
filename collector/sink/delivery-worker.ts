import { fullJitter } from '../../service/backoff.ts';
import { sleep } from '../../service/clock.ts';
import type { Clock } from '../../service/clock.ts';
import type { Logger } from '../../service/log.ts';
import type { EventDrop } from '../event/activity.ts';
import type { EventBus } from '../store/event-bus.ts';
import { nodeOfSource } from '../store/event-source.ts';
import { addShare } from '../store/retained-event-table.ts';
import type { Shares } from '../store/retained-event-table.ts';
import type { Store } from '../store/store.ts';
import type { StoredEvent } from '../store/stored-event.ts';
import { defectOf } from './defect.ts';
import { createDeliveryRate } from './delivery-rate.ts';
import { openDelivery } from './delivery.ts';
import type { Delivered } from './delivery.ts';
import type { Filtered, Sink } from './sink.ts';

/** The delivery status of a sink. */
export interface SinkStatus {
  readonly name: string;
  /** Acknowledged. After a restart the collector continues after it, or before it where the store could not be written. */
  readonly position: number;
  readonly state: 'ok' | 'retrying' | 'paused';
  /** The last problem; empty after a success. */
  readonly lastError: string;
  /** Since the start of the collector; an event that is sent again is counted once. */
  readonly delivered: number;
  readonly rejected: number;
  /** Rejected events that are not kept: the list of dead letters was full, or the receiver did not say which they are. */
  readonly discarded: number;
  /** Events that were dropped because more waited than `maxBacklog`. */
  readonly dropped: number;
  /** The node that lost most of them. Undefined: no node lost any. */
  readonly droppedMost: { readonly nodeId: string; readonly events: number } | undefined;
  /** Delivered events whose title and evidence were lost in a damaged store. */
  readonly incomplete: number;
  /** Events that the filter of the sink left out. */
  readonly filtered: number;
  /** Delivered events for which the filter could not be decided. */
  readonly undecided: number;
  /** Events a second that were delivered in the last minute. */
  readonly ratePerSecond: number;
  /** When the last failure and the last success were; undefined: not since the start. */
  readonly lastErrorMs: number | undefined;
  readonly lastSuccessMs: number | undefined;
}

/** Options of a delivery worker. */
export interface DeliveryWorkerOptions {
  readonly store: Pick<Store, 'outbox' | 'cursor' | 'advance' | 'deadLetters' | 'dropOldest'>;
  readonly sink: Sink;
  readonly eventBus: EventBus;
  readonly clock: Clock;
  readonly log: Logger;
  /** Events that may wait for it; the oldest of more are dropped. Undefined: any number. */
  readonly maxBacklog?: number | undefined;
  /** Called when events were dropped. */
  readonly onDropped?: (drop: Omit<EventDrop, 'kind'>) => void;
  readonly random?: () => number;
}

/** Delivers events from the outbox to one sink, in order and at least once. */
export interface DeliveryWorker {
  readonly status: () => SinkStatus;
  /** Ends after the current batch, acknowledged, or after a grace period if the sink does not answer; closes the sink. */
  readonly stop: () => Promise<void>;
}

/** Events in a batch. A sink that cannot accept as many answers `split`. */
const BATCH = 500;
/**
 * A batch that takes longer is not made larger; one that fails after as long is halved. A receiver behind a slow line
 * would otherwise get the same batch for ever, and each attempt would end at its deadline.
 */
const SLOW_MS = 10_000;
/** Waits between attempts, with full jitter. */
const BACKOFF = Object.freeze({ baseMs: 500, capMs: 60_000 });
/** Longest wait for the event bus before the outbox is read again anyway. */
const IDLE_MS = 30_000;
/** Without new events for this long, the sink is asked to acknowledge what it has accepted. */
const ACKNOWLEDGE_MS = 5000;
/** How often the backlog is held against its limit. */
const LIMIT_MS = 10_000;
/** Nodes and kinds of events in a line of the log about dropped events. */
const LOGGED_SOURCES = 5;
/** Grace period of a sink that does not answer when the collector ends. */
const STOP_GRACE_MS = 5000;

interface Progress {
  /** Acknowledged: the position of the cursor. */
  position: number;
  /** Accepted: the next batch starts after it. */
  accepted: number;
  /** Highest position ever accepted: events up to it are counted. */
  counted: number;
  state: SinkStatus['state'];
  lastError: string;
  delivered: number;
  rejected: number;
  discarded: number;
  dropped: number;
  droppedMost: SinkStatus['droppedMost'];
  incomplete: number;
  filtered: number;
  undecided: number;
  lastErrorMs: number | undefined;
  lastSuccessMs: number | undefined;
}

const NOTHING_YET: Progress = Object.freeze({
  position: 0,
  accepted: 0,
  counted: 0,
  state: 'ok',
  lastError: '',
  delivered: 0,
  rejected: 0,
  discarded: 0,
  dropped: 0,
  droppedMost: undefined,
  incomplete: 0,
  filtered: 0,
  undecided: 0,
  lastErrorMs: undefined,
  lastSuccessMs: undefined,
});

/** Starts delivering. Events that came while the collector was down are delivered first. */
export function startDeliveryWorker(options: DeliveryWorkerOptions): DeliveryWorker {
  const { store, sink, eventBus, clock, log } = options;
  const stopped = new AbortController();
  const progress: Progress = { ...NOTHING_YET };
  const rate = createDeliveryRate(clock);
  const droppedOf: Shares = new Map();
  let known = false;
  /** The position in the store. */
  let stored = 0;
  let isStoring = true;
  let batchLimit = BATCH;
  let wake = new AbortController();
  const unsubscribe = eventBus.subscribeToPositions(() => wake.abort());
  const recordFailure = (state: Progress['state'], reason: string): void => {
    Object.assign(progress, { state, lastError: reason, lastErrorMs: clock.now() });
    log.warn(
      { sink: sink.name, reason },
      state === 'paused'
        ? 'the sink is paused until the collector is started again'
        : 'the sink did not accept events; they are sent again',
    );
  };
  const keepDeadLetters = async ({
    batch,
    rejected,
    reason,
  }: Pick<Delivered, 'batch' | 'rejected' | 'reason'>): Promise<void> => {
    const events = batch.filter(({ uid }) => rejected.includes(uid));
    const discarded = await store.deadLetters.add({ sink: sink.name, events, reason, atMs: clock.now() });
    if (discarded === 0) return;
    progress.discarded += discarded;
    log.error({ sink: sink.name, events: discarded }, 'the list of dead letters is full: the oldest were deleted');
  };
  const countIncomplete = (batch: readonly StoredEvent[]): void => {
    const incomplete = batch.filter((event) => 'isIncomplete' in event).length;
    if (incomplete === 0) return;
    progress.incomplete += incomplete;
    log.error(
      { sink: sink.name, events: incomplete },
      'the store is damaged: these events were sent without title and evidence',
    );
  };
  /** The events without those that the filter left out. */
  const countFiltered = (batch: readonly StoredEvent[], { excluded, undecided }: Filtered): readonly StoredEvent[] => {
    const wanted = batch.filter(({ uid }) => !excluded.has(uid));
    const reasons = wanted.flatMap(({ uid }) => undecided.get(uid) ?? []);
    // Nodes decide what is in an event, so one line has to do for all of them.
    if (progress.undecided === 0 && reasons.length > 0)
      log.warn({ sink: sink.name, reason: reasons[0] }, 'the filter cannot be decided for some events: they are sent');
    progress.undecided += reasons.length;
    progress.filtered += batch.length - wanted.length;
    return wanted;
  };
  /** A store that cannot be written is no reason to send the same events again and again. */
  const storePosition = async (): Promise<void> => {
    const { position } = progress;
    if (position <= stored) return;
    try {
      await store.advance(sink.name, position);
      stored = position;
      isStoring = true;
    } catch (error) {
      if (isStoring)
        log.warn({ sink: sink.name, error }, 'the position of the sink is not stored: a restart sends events again');
      isStoring = false;
    }
  };
  const delivery = openDelivery({
    sink,
    clock,
    log,
    onDelivered: async ({ batch, rejected, unidentified, reason, acknowledged, filtered }: Delivered) => {
      if (rejected.length > 0) await keepDeadLetters({ batch, rejected, reason });
      const notCounted = batch.filter(({ position }) => position > progress.counted);
      const fresh = filtered === undefined ? notCounted : countFiltered(notCounted, filtered);
      const identified = fresh.filter(({ uid }) => rejected.includes(uid)).length;
      const refused = Math.min(fresh.length, identified + unidentified);
      countIncomplete(fresh);
      progress.delivered += fresh.length - refused;
      rate.add(fresh.length - refused);
      if (batch.length > rejected.length) progress.lastSuccessMs = clock.now();
      progress.rejected += refused;
      progress.discarded += refused - identified;
      const accepted = batch.at(-1)?.position ?? progress.accepted;
      progress.counted = Math.max(progress.counted, accepted);
      const position = acknowledged ?? accepted;
      progress.position = Math.max(progress.position, position);
      await storePosition();
      progress.accepted = Math.max(progress.position, accepted);
    },
    onSilence: (silentMs) => recordFailure('retrying', `no answer for ${String(silentMs)} ms`),
  });

  /** Apart from delivery: a sink that does not answer has a backlog as well. */
  const keepLimit = async (maxBacklog: number): Promise<void> => {
    for (;;) {
      // Before the first look as well: a sink that accepts gets what waits from before the start.
      await sleep(clock, LIMIT_MS, stopped.signal);
      if (stopped.signal.aborted) return;
      try {
        const dropped = await store.dropOldest(sink.name, maxBacklog);
        if (dropped !== undefined) {
          progress.dropped += dropped.events;
          for (const [source, events] of dropped.bySource) addShare(droppedOf, source, events);
          progress.droppedMost = largestNode(droppedOf);
          log.error(
            {
              sink: sink.name,
              events: dropped.events,
              maxBacklog,
              of: Object.fromEntries(largest(dropped.bySource, LOGGED_SOURCES)),
            },
            'too many events wait: the oldest of those that have most are dropped',
          );
          const most = largestNode(dropped.bySource);
          options.onDropped?.({ sink: sink.name, events: dropped.events, ...(most && { most }) });
        }
      } catch (error) {
        log.warn({ sink: sink.name, error }, 'the backlog of the sink could not be limited');
      }
    }
  };

  /** Delivers a batch, if there is one; returns how long to wait before the next attempt. */
  const step = async (failures: number): Promise<number | undefined> => {
    if (!known) {
      const position = await store.cursor(sink.name);
      Object.assign(progress, { position, accepted: position, counted: position });
      stored = position;
    }
    known = true;
    const batch: readonly StoredEvent[] = await store.outbox(progress.accepted, batchLimit, sink.name);
    if (batch.length === 0) {
      await storePosition();
      const isAcknowledged = progress.accepted === progress.position;
      await sleep(clock, isAcknowledged ? IDLE_MS : ACKNOWLEDGE_MS, AbortSignal.any([wake.signal, stopped.signal]));
      if (isAcknowledged || wake.signal.aborted || stopped.signal.aborted) return undefined;
    }
    const startMs = clock.monotonic();
    const end = await delivery.deliver(batch);
    const isSlow = clock.monotonic() - startMs >= SLOW_MS;
    if (end.outcome === 'ok' && !isSlow) batchLimit = Math.min(BATCH, batchLimit * 2);
    if (end.outcome === 'retry' && isSlow) batchLimit = Math.max(1, Math.floor(batch.length / 2));
    // Accepted events that were not acknowledged are sent again.
    if (end.outcome !== 'ok') progress.accepted = progress.position;
    if (end.outcome === 'ok') Object.assign(progress, { state: 'ok', lastError: '' });
    if (end.outcome === 'retry') {
      recordFailure('retrying', end.reason);
      return end.afterMs + backoff(failures);
    }
    if (end.outcome === 'pause') {
      recordFailure('paused', end.reason);
      while (!stopped.signal.aborted) await sleep(clock, IDLE_MS, stopped.signal);
    }
    return undefined;
  };
  const backoff = (failures: number): number => fullJitter(failures, BACKOFF, options.random ?? Math.random);

  const run = async (): Promise<void> => {
    let failures = 0;
    while (!stopped.signal.aborted) {
      wake = new AbortController();
      let waitMs: number | undefined;
      try {
        waitMs = await step(failures);
      } catch (error) {
        // The store failed or the sink has a defect: the events stay in the outbox.
        progress.accepted = progress.position;
        recordFailure('retrying', defectOf(error) ?? (error instanceof Error ? error.message : String(error)));
        waitMs = backoff(failures);
      }
      failures = waitMs === undefined ? 0 : failures + 1;
      if (waitMs !== undefined) await sleep(clock, waitMs, stopped.signal);
    }
  };
  const acknowledge = async (): Promise<void> => {
    await storePosition();
    if (progress.accepted === progress.position) return;
    const end = await delivery.deliver([]);
    if (end.outcome !== 'ok') log.warn({ sink: sink.name, reason: end.reason }, 'the last events will be sent again');
  };
  const limited = options.maxBacklog === undefined ? undefined : keepLimit(options.maxBacklog);
  const over = run()
    .then(acknowledge)
    .then(() => limited)
    .catch((error: unknown) => log.warn({ sink: sink.name, error }, 'the last events will be sent again'));
  return {
    status: () => {
      const { accepted: _accepted, counted: _counted, ...rest } = progress;
      return { name: sink.name, ...rest, ratePerSecond: rate.perSecond() };
    },
    stop: async () => {
      unsubscribe();
      stopped.abort();
      const grace = new AbortController();
      await Promise.race([over, sleep(clock, STOP_GRACE_MS, grace.signal)]);
      grace.abort();
      await sink.close();
    },
  };
}

function largest(shares: ReadonlyMap<string, number>, most: number): readonly (readonly [string, number])[] {
  return [...shares].sort(([, one], [, other]) => other - one).slice(0, most);
}

function largestNode(shares: ReadonlyMap<string, number>): SinkStatus['droppedMost'] {
  for (const [source, events] of largest(shares, shares.size)) {
    const nodeId = nodeOfSource(source);
    if (nodeId !== undefined) return { nodeId, events };
  }
  return undefined;
}
