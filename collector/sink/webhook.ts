import { createHash, createHmac } from 'node:crypto';
import { safeJson } from '../../api/safe.ts';
import { viewOf } from '../event/view/view.ts';
import { createHttpSink } from './http-delivery.ts';
import type { HttpSinkOptions } from './http-delivery.ts';
import type { OcsfEvent } from '../event/ocsf/ocsf.ts';
import type { Sink } from './sink.ts';

/**
 * POST of a JSON array of events; in the format of Falco, which Falcosidekick takes one by one, of a single event. With a key, `X-Plimsoll-Signature` is `sha256=` and the HMAC-SHA256, hexadecimal, of
 * `X-Plimsoll-Timestamp`, a dot and the body. `Idempotency-Key` is the same when the same events come again together.
 */
export function createWebhookSink(options: HttpSinkOptions): Sink {
  const { format = 'ocsf' } = options;
  const view = viewOf(format);
  return createHttpSink(options, {
    ...(format === 'falco' && { maxEvents: 1 }),
    toRequest: (events, { secret, nowMs }) => {
      const rendered = events.map(view);
      const body = safeJson(format === 'falco' ? rendered[0] : rendered);
      const timestamp = String(Math.floor(nowMs / 1000));
      return {
        body,
        headers: {
          'content-type': format === 'cloudevents' ? 'application/cloudevents-batch+json' : 'application/json',
          'idempotency-key': idempotencyKey(events),
          'x-plimsoll-timestamp': timestamp,
          ...(secret === undefined
            ? {}
            : {
                'x-plimsoll-signature': `sha256=${createHmac('sha256', secret).update(`${timestamp}.${body}`).digest('hex')}`,
              }),
        },
      };
    },
  });
}

function idempotencyKey(events: readonly OcsfEvent[]): string {
  const hash = createHash('sha256');
  for (const { metadata } of events) hash.update(`${String((metadata as { uid?: unknown }).uid)}\n`);
  return hash.digest('hex');
}
