import type { OutboxEvent } from '../store/store.ts';

/** The `Sink` port: where events go. A sink delivers a batch, or says what to do; it never throws for what a receiver does. */
export interface Sink {
  /** Names its cursor in the outbox; unique. */
  readonly name: string;
  /**
   * Takes the next events, in order; one call at a time. An empty batch asks to settle what was taken before. After
   * `retry` and `pause` whatever is not acknowledged comes again, older batches too; after `close` the answer is `retry`.
   */
  readonly send: (batch: readonly OutboxEvent[]) => Promise<SinkOutcome>;
  /** Lets go of the receiver, whatever it does; may be called again. */
  readonly close: () => Promise<void>;
}

/**
 * ok: all taken, and acknowledged up to the position `acknowledged` (absent: all of it). What is acknowledged is never asked for
 * again; what is only taken may be, also after a restart of the collector.
 * retry: try again after that time, from `acknowledged` on (absent: nothing more was acknowledged); split: too large, send halves; reject: these event uids will never be accepted,
 * the rest was delivered and is acknowledged; pause: stop until someone acts.
 */
export type SinkOutcome =
  | { readonly outcome: 'ok'; readonly acknowledged?: number }
  | { readonly outcome: 'retry'; readonly afterMs: number; readonly reason: string; readonly acknowledged?: number }
  | { readonly outcome: 'split'; readonly reason: string }
  | { readonly outcome: 'reject'; readonly uids: readonly string[]; readonly reason: string }
  | { readonly outcome: 'pause'; readonly reason: string };
