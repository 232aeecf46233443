import type { EventFormat } from '../../service/config/event-format.ts';
import type { HttpResponse } from '../../service/https-request.ts';
import type { Clock } from '../../service/clock.ts';
import type { StoredEvent } from '../store/stored-event.ts';
import { failureOf, openHttpClient, readSinkFile } from './http-client.ts';
import type { OcsfEvent } from '../event/ocsf/ocsf.ts';
import type { Sink, SinkOutcome } from './sink.ts';

/** Where a sink over HTTP delivers to. */
export interface HttpReceiver {
  readonly url: string;
  /** File with authorities in PEM; `system`: those that this machine trusts. */
  readonly caFile: string;
  /** File with a secret: a token or a key; `none`. It is read again for each batch. */
  readonly secretFile: string;
}

/** What a sink over HTTP needs. */
export interface HttpSinkOptions {
  readonly name: string;
  readonly receiver: HttpReceiver;
  readonly clock: Clock;
  /** Of the events; absent: OCSF. */
  readonly format?: EventFormat;
  /** Within which an answer must be complete; absent: 30 s. */
  readonly deadlineMs?: number;
  /** Makes the events of a batch, in order. */
  readonly render: (batch: readonly StoredEvent[]) => Promise<readonly OcsfEvent[]>;
}

/** How a receiver wants a batch, and what its answer means. */
export interface HttpFormat {
  /** Most events of one request; absent: any number. */
  readonly maxEvents?: number;
  /** Of the body; absent: none. */
  readonly compression?: 'gzip' | 'none';
  readonly toRequest: (
    events: readonly OcsfEvent[],
    terms: { readonly secret: string | undefined; readonly nowMs: number },
  ) => { readonly headers: Readonly<Record<string, string>>; readonly body: string | Uint8Array };
  /** The outcome of an answer with status 2xx; undefined: delivered. */
  readonly judge?: (response: HttpResponse, uids: readonly string[]) => SinkOutcome | undefined;
  /** The outcome of another answer that the receiver gives a meaning of its own; undefined: by its status. */
  readonly judgeFailure?: (response: HttpResponse, uids: readonly string[]) => SinkOutcome | undefined;
}

/** Body of one request; larger batches are halved, as are those that a receiver finds too large. */
export const MAX_BODY_BYTES = 8 * 1024 ** 2;

/**
 * A sink that sends each batch as one POST. What the receiver complains about is halved until single events remain, which
 * are rejected; every other failure is tried again, also wrong credentials and addresses: a receiver that is set up wrong
 * loses nothing.
 */
export function createHttpSink(options: HttpSinkOptions, format: HttpFormat): Sink {
  const { name, receiver, clock, render, deadlineMs } = options;
  const { maxEvents = Infinity } = format;
  const client = openHttpClient(receiver.caFile, deadlineMs);
  const send = async (batch: readonly StoredEvent[]): Promise<SinkOutcome> => {
    if (batch.length === 0) return { outcome: 'ok' };
    if (batch.length > maxEvents) return { outcome: 'split', reason: `more than ${String(maxEvents)} events` };
    const uids = batch.map(({ uid }) => uid);
    const secret = await readSinkFile(receiver.secretFile, 'none');
    const { headers, body } = format.toRequest(await render(batch), { secret, nowMs: clock.now() });
    if (Buffer.byteLength(body) > MAX_BODY_BYTES && batch.length > 1)
      return { outcome: 'split', reason: `more than ${String(MAX_BODY_BYTES)} bytes` };
    const { compression = 'none' } = format;
    const response = await client.send({ url: receiver.url, headers, body, compression });
    const { status } = response;
    if (status >= 200 && status < 300) return format.judge?.(response, uids) ?? { outcome: 'ok' };
    return format.judgeFailure?.(response, uids) ?? failureOf(response, clock.now());
  };
  return { name, send: (batch) => client.attempt(() => send(batch)), close: client.close };
}
