import type { OutboxEvent } from '../store/store.ts';

/** The `Sink` port: where events go. A sink delivers a batch, or says what to do; it never throws for what a receiver does. */
export interface Sink {
  /** Names its cursor in the outbox; unique. */
  readonly name: string;
  readonly send: (batch: readonly OutboxEvent[]) => Promise<SinkOutcome>;
  readonly close: () => Promise<void>;
}

/**
 * ok: all delivered; retry: nothing counts as delivered, try again after that time; split: too large, send halves;
 * reject: these event uids will never be accepted, the rest was delivered; pause: stop until someone acts.
 */
export type SinkOutcome =
  | { readonly outcome: 'ok' }
  | { readonly outcome: 'retry'; readonly afterMs: number; readonly reason: string }
  | { readonly outcome: 'split'; readonly reason: string }
  | { readonly outcome: 'reject'; readonly uids: readonly string[]; readonly reason: string }
  | { readonly outcome: 'pause'; readonly reason: string };
