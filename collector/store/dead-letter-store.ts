import type { StoredEvent } from './stored-event.ts';

/** Part of the `Store` port: events that a sink rejected, until they are replayed or purged. */
export interface DeadLetterStore {
  /**
   * Keeps rejected events. One that is in the list already counts one attempt more. Resolves to how many of the oldest of
   * the sink were discarded because its list was full.
   */
  readonly add: (rejected: RejectedEvents) => Promise<number>;
  /** Newest first; at most `limit` (1,000), continued by `cursor`. */
  readonly list: (filter: DeadLetterFilter) => Promise<DeadLetterPage>;
  readonly find: (id: number) => Promise<DeadLetter | undefined>;
  /** How many there are by sink. Sinks without any are absent. */
  readonly counts: () => Promise<ReadonlyMap<string, number>>;
  /**
   * Gives those that are selected, of these sinks, new positions in the outbox of their sink, in the order of their old
   * ones. They keep their uids, and leave the list once the sink has acknowledged them.
   */
  readonly replay: (selection: DeadLetterSelection, sinks: readonly string[]) => Promise<ReplayedEvents>;
  /** Deletes those that are selected. Resolves to their number. */
  readonly purge: (selection: DeadLetterSelection) => Promise<number>;
}

/** Events of one sink, rejected for one reason. */
export interface RejectedEvents {
  readonly sink: string;
  readonly events: readonly StoredEvent[];
  readonly reason: string;
  readonly atMs: number;
}

/** An event that a sink rejected. */
export interface DeadLetter {
  readonly id: number;
  readonly sink: string;
  /** As it would be sent again, but for the position. */
  readonly event: StoredEvent;
  /** Of the last attempt, as the receiver gave it. */
  readonly reason: string;
  /** When it was rejected the last time. */
  readonly rejectedMs: number;
  /** How often it was rejected. */
  readonly attempts: number;
  /** It waits to be sent again. */
  readonly isReplaying: boolean;
}

/** Which dead letters; an absent field matches all. */
export interface DeadLetterFilter {
  readonly sink?: string;
  readonly limit: number;
  readonly cursor?: string;
}

/** One page of dead letters. */
export interface DeadLetterPage {
  readonly deadLetters: readonly DeadLetter[];
  readonly cursor?: string;
}

/** Dead letters to act on: fields are combined, an absent one matches all. */
export interface DeadLetterSelection {
  readonly ids?: readonly number[];
  readonly sink?: string;
  /** Rejected before this time. */
  readonly beforeMs?: number;
}

/** What a replay did. `newest`: the newest position of the outbox. */
export interface ReplayedEvents {
  readonly replayed: number;
  readonly newest: number;
}
