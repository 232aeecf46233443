import type { AgentMessage, Query } from '../../proto/fleet.ts';
import type { Clock } from '../../service/clock.ts';
import type { Logger } from '../../service/log.ts';
import type { QueryAnswerer } from './query-answerer.ts';

/** Takes live questions of one session and sends the answers. */
export interface QueryHandler {
  readonly ask: (query: Query) => void;
  readonly cancel: (queryId: string) => void;
  /** Gives up everything that is being answered. */
  readonly close: () => void;
}

/** Options of a query handler. */
export interface QueryHandlerOptions {
  readonly answerer: QueryAnswerer;
  readonly send: (message: AgentMessage) => Promise<boolean>;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Questions that are answered at the same time; a further one is refused. */
const MAX_QUERIES = 8;
/** Stated in fleet.proto. */
const MAX_EXPRESSION = 4096;
const MAX_ID = 128;
const DEFAULT_DEADLINE_MS = 10_000;
const MAX_DEADLINE_MS = 5 * 60_000;

/** A query handler for one session. */
export function createQueryHandler({ answerer, send, clock, log }: QueryHandlerOptions): QueryHandler {
  const running = new Map<string, AbortController>();

  const refuse = (queryId: string, error: string): void => {
    void send({ queryResult: { queryId, last: true, error } });
  };
  const answer = async (query: Query, queryId: string): Promise<void> => {
    const controller = new AbortController();
    running.set(queryId, controller);
    const deadlineMs = Math.min(query.deadlineMs || DEFAULT_DEADLINE_MS, MAX_DEADLINE_MS);
    const cancelDeadline = clock.after(deadlineMs, () => {
      refuse(queryId, `not answered within ${String(deadlineMs)} ms`);
      controller.abort();
    });
    try {
      for await (const result of answerer.answer(query, controller.signal)) {
        if (controller.signal.aborted) return;
        if (!(await send({ queryResult: { ...result, queryId } })) || result.last === true) return;
      }
      if (!controller.signal.aborted) refuse(queryId, 'the answer ended before its end');
    } catch (error) {
      log.error({ reason: String(error) }, 'a live query failed');
      if (!controller.signal.aborted) refuse(queryId, 'the agent could not answer');
    } finally {
      cancelDeadline();
      running.delete(queryId);
    }
  };

  return {
    ask: (query) => {
      const queryId = query.id ?? '';
      const expression = query.expression ?? '';
      if (queryId === '' || queryId.length > MAX_ID) return;
      if (running.has(queryId)) return;
      if (expression.length > MAX_EXPRESSION) refuse(queryId, `longer than ${String(MAX_EXPRESSION)} characters`);
      else if (running.size >= MAX_QUERIES) refuse(queryId, 'the node is answering too many queries already');
      else void answer(query, queryId);
    },
    cancel: (queryId) => running.get(queryId)?.abort(),
    close: () => {
      for (const controller of running.values()) controller.abort();
    },
  };
}
