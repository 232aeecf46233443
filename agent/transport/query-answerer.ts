import type { Query, QueryResult } from '../../proto/fleet.ts';

/** The `QueryAnswerer` port: what answers live questions over the facts of this node. */
export interface QueryAnswerer {
  /**
   * The parts of the answer, each small enough for one message, the final one with `last`. Ends early, without a final
   * part, once `signal` aborts: then nobody waits. A question that cannot be answered gives one final part with `error`.
   */
  readonly answer: (query: Query, signal: AbortSignal) => AsyncIterable<QueryResult>;
}
