import { queryAnswers } from '../../api/query.ts';
import type { ApiClient, RequestFailure } from '../../api/client.ts';
import type * as s from '../../posture/schema.ts';

/** What came of asking one node. `late` and `error`: it is connected, but did not answer well. */
export type NodeAnswer<T> =
  | { readonly outcome: 'ok'; readonly value: T; readonly unread: readonly string[]; readonly truncated: boolean }
  | { readonly outcome: 'offline'; readonly sinceMs: number }
  | { readonly outcome: 'failed'; readonly message: string };

/** A live question to a node. */
export interface NodeQuestion<T> {
  readonly nodeId: string;
  readonly expression: string;
  readonly schema: s.Schema<T>;
}

const DEADLINE_MS = 8000;
const MAX_BYTES = 8 * 1024 * 1024;

/** Asks one node. Never rejects; a problem of the API itself is given as such. */
export async function askNode<T>(
  api: ApiClient,
  { nodeId, expression, schema }: NodeQuestion<T>,
  signal: AbortSignal,
): Promise<
  { readonly ok: true; readonly value: NodeAnswer<T> } | { readonly ok: false; readonly problem: RequestFailure }
> {
  const body = { expression, nodes: [nodeId], deadlineMs: DEADLINE_MS, maxBytes: MAX_BYTES };
  const answers = await api.post('/v1/query', queryAnswers, { body, patienceMs: DEADLINE_MS, signal });
  // Whose role does not allow it sees what is stored, with the reason.
  if (!answers.ok) return answers.problem.kind === 'refused' ? failed(answers.problem.message) : answers;
  const [answer] = answers.value.answers;
  if (answer === undefined) return failed('the collector gave no answer for this node');
  switch (answer.outcome) {
    case 'offline':
      return { ok: true, value: { outcome: 'offline', sinceMs: answer.sinceMs } };
    case 'timeout':
      return failed(`the node did not answer within ${String(Math.round(answer.deadlineMs / 1000))} s`);
    case 'error':
      return failed(answer.error);
    case 'ok': {
      const { unread, truncated } = answer;
      const parsed = schema.parse(answer.value);
      if (!parsed.ok) return failed(`its answer has another shape: ${parsed.problem}`);
      return { ok: true, value: { outcome: 'ok', value: parsed.value, unread, truncated } };
    }
  }
}

/** What people read where the answer is null: the fact (`what`, such as containers) could not be read. */
export function unreadText(what: string, unread: readonly string[]): string {
  return `The ${what} of the node could not be read${unread.length === 0 ? '.' : `: ${unread.join('; ')}`}`;
}

function failed(message: string): { readonly ok: true; readonly value: NodeAnswer<never> } {
  return { ok: true, value: { outcome: 'failed', message } };
}
