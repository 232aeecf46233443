import { safeJson } from '../../api/safe.ts';
import type { HttpResponse } from '../../service/https-request.ts';
import type { EventFormat } from '../../service/config/event-format.ts';
import { toText } from '../event/line.ts';
import { viewOf } from '../event/view/view.ts';
import { parseAnswer, retry } from './http-client.ts';
import { createHttpSink } from './http-delivery.ts';
import type { HttpSinkOptions } from './http-delivery.ts';
import type { OcsfEvent } from '../event/ocsf/ocsf.ts';
import type { Sink, SinkOutcome } from './sink.ts';

/**
 * The HTTP Event Collector of Splunk (`/services/collector/event`):
 * https://help.splunk.com/en/splunk-enterprise/get-data-in/collect-http-event-data. One object for each event, one after
 * the other. The secret is the token.
 */
export function createSplunkSink(options: HttpSinkOptions, index: string): Sink {
  const { format = 'ocsf' } = options;
  return createHttpSink(options, {
    toRequest: (events, { secret }) => ({
      headers: splunkHeaders(secret),
      body: toSplunkBody(events, { index, format }),
    }),
    judge: judgeSplunkSuccess,
    judgeFailure: judgeSplunkFailure,
  });
}

/** Headers of each request. */
export function splunkHeaders(token = ''): Readonly<Record<string, string>> {
  return { 'content-type': 'application/json', authorization: `Splunk ${token}` };
}

/** How events are stored. */
interface SplunkTerms {
  /** Empty: that of the token. */
  readonly index: string;
  readonly format: EventFormat;
}

/** The body of a request with these events. */
export function toSplunkBody(events: readonly OcsfEvent[], terms: SplunkTerms): string {
  return events.map((event) => `${safeJson(envelopeOf(event, terms))}\n`).join('');
}

function envelopeOf(event: OcsfEvent, { index, format }: SplunkTerms): object {
  const { time, device } = event as { readonly time?: unknown; readonly device?: { readonly name?: unknown } };
  const rendered = viewOf(format)(event);
  return {
    // Seconds, with the milliseconds as a fraction.
    ...(typeof time === 'number' && { time: (time / 1000).toFixed(3) }),
    ...(typeof device?.name === 'string' && { host: device.name }),
    source: 'plimsoll',
    sourcetype: format === 'ocsf' ? 'ocsf:json' : `plimsoll:${format}`,
    ...(index === '' ? {} : { index }),
    event: typeof rendered === 'string' ? toText(rendered) : rendered,
  };
}

/** A proxy or the web interface of Splunk answers with 200 as well: only `{"text":"Success","code":0}` counts. */
function judgeSplunkSuccess({ status, body }: HttpResponse): SinkOutcome | undefined {
  if (parseAnswer(body).code === 0) return undefined;
  return retry(`HTTP ${String(status)}, but the answer is not that of the HTTP Event Collector: no code 0`);
}

/**
 * The outcome of an answer with 400; undefined: by its status. It names the first event that is invalid, from 0:
 * `{"text":"…","code":6,"invalid-event-number":2}`.
 */
export function judgeSplunkFailure({ status, body }: HttpResponse, uids: readonly string[]): SinkOutcome | undefined {
  if (status !== 400) return undefined;
  const { code, 'invalid-event-number': place } = parseAnswer(body);
  const uid = typeof place === 'number' ? uids[place] : undefined;
  const reason = `HTTP 400, code ${typeof code === 'number' ? String(code) : 'unknown'}`;
  // 7: the index is not one of the token. Nothing is wrong with the event, and the token can be changed.
  if (code === 7) return retry(`${reason}: the token may not use the index`);
  // Events before it are not stored either: they are sent again without it.
  return uid === undefined || uids.length === 1 ? undefined : { outcome: 'split', reason };
}
