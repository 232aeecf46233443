import type { CollectorMessage, QueryResult } from '../../proto/fleet.ts';

/** The nodes that are connected now, for those who have something to say to them. */
export interface Sessions {
  /** Ids of connected nodes that can answer queries. */
  readonly connected: () => readonly string[];
  /** Sends to one node; false if it is not connected (any more). */
  readonly send: (nodeId: string, message: CollectorMessage) => boolean;
  /** Sends one message to many nodes, encoded once; returns the ids of those that it was sent to. */
  readonly sendAll: (nodeIds: Iterable<string>, message: CollectorMessage) => ReadonlySet<string>;
}

/** What sessions hand on about live queries. */
export interface QueryReplies {
  /** False: nobody waits for it. */
  readonly onResult: (nodeId: string, result: QueryResult) => boolean;
  readonly onDisconnect: (nodeId: string) => void;
}
