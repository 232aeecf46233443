import type { QueryResult } from '../../proto/fleet.ts';
import type { WorkerReply } from './worker-protocol.ts';

/** Bytes of the answer in one message: well below the bound of a message on the wire. */
const CHUNK_BYTES = 256 * 1024;
/** UTF-16 units of an error. */
const MAX_ERROR = 1000;

/** A reply as messages. The final one carries what applies to the whole answer, or why the query failed. */
export function* messagesOf(queryId: string, reply: WorkerReply): Generator<QueryResult, void> {
  if (reply.kind !== 'answer') {
    const problem = reply.kind === 'failed' ? reply.problem : 'the evaluation gave no answer';
    yield { queryId, last: true, error: problem.slice(0, MAX_ERROR) };
    return;
  }
  const { bytes, rows, truncated, unread } = reply;
  let start = 0;
  for (; bytes.length - start > CHUNK_BYTES; start += CHUNK_BYTES)
    yield { queryId, chunk: bytes.subarray(start, start + CHUNK_BYTES) };
  yield { queryId, chunk: bytes.subarray(start), last: true, truncated, rows, unread: [...unread] };
}
