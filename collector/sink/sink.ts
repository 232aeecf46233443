import type { StoredEvent } from '../store/stored-event.ts';

/** The `Sink` port: delivers events to a receiver. It never throws for what a receiver does. */
export interface Sink {
  /** Names its cursor in the outbox; unique. */
  readonly name: string;
  /**
   * Sends the next events, in order; one call at a time. An empty batch requests acknowledgement of what was accepted.
   * After `retry` and `pause` everything that is not acknowledged is sent again; after `close` the outcome is `retry`.
   */
  readonly send: (batch: readonly StoredEvent[]) => Promise<SinkOutcome>;
  /** Closes the connection to the receiver, whatever it does; may be called again. */
  readonly close: () => Promise<void>;
}

/**
 * - ok: the batch is accepted, and acknowledged up to the position `acknowledged` (absent: completely). Acknowledged
 *   events are never sent again; accepted ones may be, also after a restart of the collector.
 * - retry: send again after `afterMs`, from `acknowledged` on (absent: nothing more was acknowledged).
 * - split: too large, send halves; a single event is rejected.
 * - reject: these uids will never be accepted, they become dead letters; the rest is delivered and acknowledged.
 *   `unidentified`: how many further events the receiver refused without saying which.
 * - pause: stop until the collector is started again.
 */
export type SinkOutcome =
  | { readonly outcome: 'ok'; readonly acknowledged?: number; readonly filtered?: Filtered }
  | {
      readonly outcome: 'retry';
      readonly afterMs: number;
      readonly reason: string;
      readonly acknowledged?: number;
      readonly filtered?: Filtered;
    }
  | { readonly outcome: 'split'; readonly reason: string }
  | {
      readonly outcome: 'reject';
      readonly uids: readonly string[];
      readonly unidentified?: number;
      readonly reason: string;
      readonly filtered?: Filtered;
    }
  | { readonly outcome: 'pause'; readonly reason: string };

/** What the filter of a sink made of a batch. */
export interface Filtered {
  /** Uids of the events that were left out. They count as delivered in their turn. */
  readonly excluded: ReadonlySet<string>;
  /** Why the filter could not be decided, by the uids of events that were delivered for that reason. */
  readonly undecided: ReadonlyMap<string, string>;
}
