import { createHash, createHmac } from 'node:crypto';
import { safeJson } from '../../api/safe.ts';
import { createHttpSink } from './http-delivery.ts';
import type { HttpSinkOptions } from './http-delivery.ts';
import type { OcsfEvent } from '../event/ocsf/ocsf.ts';
import type { Sink } from './sink.ts';

/**
 * POST of a JSON array of OCSF events. With a key, `X-Plimsoll-Signature` is `sha256=` and the HMAC-SHA256, hexadecimal, of
 * `X-Plimsoll-Timestamp`, a dot and the body. `Idempotency-Key` is the same when the same events come again together.
 */
export function createWebhookSink(options: HttpSinkOptions): Sink {
  return createHttpSink(options, {
    toRequest: (events, { secret, nowMs }) => {
      const body = safeJson(events);
      const timestamp = String(Math.floor(nowMs / 1000));
      return {
        body,
        headers: {
          'content-type': 'application/json',
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
