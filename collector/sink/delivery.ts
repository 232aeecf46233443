import type { Clock } from '../../service/clock.ts';
import type { Logger } from '../../service/log.ts';
import type { StoredEvent } from '../store/stored-event.ts';
import type { Filtered, Sink, SinkOutcome } from './sink.ts';

/** Events that a sink has accepted, in order, and those that it will never accept. */
export interface Delivered {
  readonly batch: readonly StoredEvent[];
  readonly rejected: readonly string[];
  /** How many further events the receiver refused without saying which. */
  readonly unidentified: number;
  /** Why they are rejected; empty: none is. */
  readonly reason: string;
  /** Position up to which nothing is sent again; undefined: everything accepted so far. */
  readonly acknowledged: number | undefined;
  /** Undefined: the sink has no filter. */
  readonly filtered: Filtered | undefined;
}

/** How a batch ended: delivered, or why the rest of it was not. */
export type DeliveryEnd = { readonly outcome: 'ok' } | Extract<SinkOutcome, { readonly outcome: 'retry' | 'pause' }>;

type Rejection = Omit<Extract<SinkOutcome, { readonly outcome: 'reject' }>, 'outcome'>;

/** Delivers batches to one sink. */
export interface Delivery {
  /** Delivers a batch in order; an empty one requests acknowledgement of what was accepted. One at a time. */
  readonly deliver: (batch: readonly StoredEvent[]) => Promise<DeliveryEnd>;
}

/** What a delivery needs. */
export interface DeliveryOptions {
  readonly sink: Sink;
  readonly clock: Clock;
  readonly log: Logger;
  /** Awaited after each delivered part of a batch, before the next is sent. */
  readonly onDelivered: (delivered: Delivered) => Promise<void>;
  /** The sink has not answered for `silentMs`. Nothing else is sent meanwhile: it would mix with these events. */
  readonly onSilence: (silentMs: number) => void;
}

const NONE_REJECTED = Object.freeze({ rejected: [], unidentified: 0, reason: '' });

/** A missing answer is reported after this time. */
const SILENCE_MS = 30_000;

/**
 * Halves a batch that is too large and passes events that the sink rejects to `onDelivered`: these are not sent again
 * until they are replayed.
 */
export function openDelivery({ sink, clock, log, onDelivered, onSilence }: DeliveryOptions): Delivery {
  const send = async (batch: readonly StoredEvent[]): Promise<SinkOutcome> => {
    const cancel = clock.after(SILENCE_MS, () => onSilence(SILENCE_MS));
    try {
      return await sink.send(batch);
    } finally {
      cancel();
    }
  };
  const reject = async (batch: readonly StoredEvent[], outcome: Rejection): Promise<void> => {
    const { uids, unidentified = 0, reason, filtered } = outcome;
    const rejected = batch.map(({ uid }) => uid).filter((uid) => uids.includes(uid));
    await onDelivered({ batch, rejected, unidentified, reason, acknowledged: undefined, filtered });
    log.error(
      { sink: sink.name, events: rejected, ...(unidentified > 0 && { unidentified }), reason },
      'the sink rejected these events: they are dead letters now',
    );
  };
  const deliver = async (batch: readonly StoredEvent[]): Promise<DeliveryEnd> => {
    const outcome = await send(batch);
    switch (outcome.outcome) {
      case 'ok':
        await onDelivered({
          ...NONE_REJECTED,
          batch,
          acknowledged: outcome.acknowledged,
          filtered: outcome.filtered,
        });
        return { outcome: 'ok' };
      case 'retry': {
        const { acknowledged = 0, filtered } = outcome;
        const done = batch.filter(({ position }) => position <= acknowledged);
        if (acknowledged > 0) await onDelivered({ ...NONE_REJECTED, batch: done, acknowledged, filtered });
        return outcome;
      }
      case 'pause':
        return outcome;
      case 'reject':
        await reject(batch, outcome);
        return { outcome: 'ok' };
      case 'split': {
        if (batch.length <= 1) {
          await reject(batch, { uids: batch.map(({ uid }) => uid), reason: outcome.reason });
          return { outcome: 'ok' };
        }
        const middle = Math.ceil(batch.length / 2);
        const first = await deliver(batch.slice(0, middle));
        return first.outcome === 'ok' ? await deliver(batch.slice(middle)) : first;
      }
    }
  };
  return { deliver };
}
