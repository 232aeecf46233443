import { safeJson } from '../../api/safe.ts';
import * as s from '../../posture/schema.ts';
import type { HttpResponse } from '../../service/https-request.ts';
import { retry } from './http-client.ts';
import { viewOf } from '../event/view/view.ts';
import type { View } from '../event/view/view.ts';
import { createHttpSink } from './http-delivery.ts';
import type { HttpSinkOptions } from './http-delivery.ts';
import type { OcsfEvent } from '../event/ocsf/ocsf.ts';
import type { Sink, SinkOutcome } from './sink.ts';

/** Document exists: the event came before. */
const CONFLICT = 409;

const answer = s.object({
  items: s.list(s.object({ create: s.object({ status: s.integer('', 0, 999) }) }), '', 10_000),
});

/**
 * The `_bulk` API of Elasticsearch and OpenSearch: documents are created, in a data stream or index, with the id of the
 * event, so that one that comes again is not stored twice. The secret is an API key, or `user:password` for basic
 * authentication.
 */
export function createElasticsearchSink(options: HttpSinkOptions): Sink {
  const view = viewOf(options.format ?? 'ocsf');
  return createHttpSink(options, {
    toRequest: (events, { secret }) => ({
      headers: {
        'content-type': 'application/x-ndjson',
        ...(secret === undefined ? {} : { authorization: authorizationOf(secret) }),
      },
      body: events.map((event) => linesOf(event, view)).join(''),
    }),
    judge,
  });
}

function linesOf(event: OcsfEvent, view: View): string {
  const { metadata, time } = event as { readonly metadata: { readonly uid: string }; readonly time: number };
  const text = view(event);
  // Only formats that are documents can be set.
  const rendered = typeof text === 'string' ? { message: text } : text;
  const document = { '@timestamp': new Date(time).toISOString(), ...rendered };
  return `${safeJson({ create: { _id: metadata.uid } })}\n${safeJson(document)}\n`;
}

function authorizationOf(secret: string): string {
  return secret.includes(':') ? `Basic ${Buffer.from(secret).toString('base64')}` : `ApiKey ${secret}`;
}

/** Each document has a status. If one can be tried again, all are: those that are stored already are conflicts then. */
function judge({ body }: HttpResponse, uids: readonly string[]): SinkOutcome | undefined {
  const statuses = statusesOf(body);
  if (statuses?.length !== uids.length) return retry('the answer does not have one item for each event');
  const failed = statuses.flatMap((status, index) =>
    (status >= 200 && status < 300) || status === CONFLICT ? [] : [{ status, uid: uids[index] ?? '' }],
  );
  const [first] = failed;
  if (first === undefined) return undefined;
  const again = failed.find(({ status }) => !isFinal(status));
  if (again !== undefined) return retry(`an event was answered with ${String(again.status)}`);
  return {
    outcome: 'reject',
    uids: failed.map(({ uid }) => uid),
    reason: `events were answered with ${String(first.status)}`,
  };
}

/** Does the status say that the document itself is wrong? */
function isFinal(status: number): boolean {
  return status === 400 || status === 413;
}

function statusesOf(body: Buffer): readonly number[] | undefined {
  let value: unknown;
  try {
    value = JSON.parse(body.toString('utf8'));
  } catch {
    return undefined;
  }
  const parsed = answer.parse(value);
  return parsed.ok ? parsed.value.items.map(({ create }) => create.status) : undefined;
}
