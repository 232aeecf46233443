/** A live question to nodes. */
export interface QueryRequest {
  /** CEL over the facts of a node. */
  readonly expression: string;
  /** Node ids or names; empty: all known nodes. */
  readonly nodes: readonly string[];
  readonly deadlineMs: number;
  readonly maxRows: number;
  readonly maxBytes: number;
}

/** One node's answer. Every node that was asked has exactly one. */
export type QueryAnswer =
  | {
      readonly outcome: 'ok';
      readonly nodeId: string;
      readonly nodeName: string;
      /** A JSON value; an array if the expression gives a list. */
      readonly value: unknown;
      readonly rows: number;
      /** Rows or bytes were left out because of a cap. */
      readonly truncated: boolean;
      /** What the answer would have needed and the node could not read; absent where nothing is missing. */
      readonly unread?: readonly string[];
    }
  | { readonly outcome: 'error'; readonly nodeId: string; readonly nodeName: string; readonly error: string }
  | { readonly outcome: 'timeout'; readonly nodeId: string; readonly nodeName: string; readonly deadlineMs: number }
  | { readonly outcome: 'offline'; readonly nodeId: string; readonly nodeName: string; readonly sinceMs: number };

/** What a query came to: the expression did not compile (nothing was sent), or an answer a node. */
export type QueryResponse =
  | { readonly outcome: 'invalid'; readonly error: string }
  | { readonly outcome: 'unknownNode'; readonly error: string }
  | { readonly outcome: 'answered'; readonly answers: readonly QueryAnswer[] };

/** Asks nodes live questions. */
export interface QueryService {
  /** `caller`: its queries take at most half of those that may run at once. */
  readonly ask: (request: QueryRequest, signal: AbortSignal, caller?: string) => Promise<QueryResponse>;
}
