import type { QueryFactName, QueryFacts } from '../../posture/fact/facts.ts';

/** What the worker thread is asked, one after the other: to compile, then to evaluate what it compiled last. */
export type WorkerRequest =
  | { readonly kind: 'compile'; readonly expression: string }
  | {
      readonly kind: 'evaluate';
      /** Those that the expression needs. */
      readonly facts: Partial<QueryFacts>;
      readonly maxRows: number;
      readonly maxBytes: number;
    };

/** What the worker thread says, once to each request. */
export type WorkerReply =
  | {
      readonly kind: 'compiled';
      readonly needs: readonly QueryFactName[];
      /** Sysctls to read for it. */
      readonly sysctls: readonly string[];
      /** Read the labels of the containers for it. */
      readonly labels: boolean;
    }
  | {
      readonly kind: 'answer';
      /** JSON in UTF-8. */
      readonly bytes: Uint8Array;
      readonly rows: number;
      readonly truncated: boolean;
      readonly unread: readonly string[];
    }
  | { readonly kind: 'failed'; readonly problem: string };
