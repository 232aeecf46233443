import { randomUUID } from 'node:crypto';
import * as s from '../../posture/schema.ts';
import { sleep } from '../../service/clock.ts';
import type { StoredEvent } from '../store/stored-event.ts';
import { failureOf, openHttpClient, parseAnswer, readSinkFile, retry } from './http-client.ts';
import { MAX_BODY_BYTES } from './http-delivery.ts';
import type { HttpSinkOptions } from './http-delivery.ts';
import type { Sink, SinkOutcome } from './sink.ts';
import { judgeSplunkFailure, splunkHeaders, toSplunkBody } from './splunk.ts';

/** How acknowledgement is asked for. */
export interface SplunkAckOptions {
  /** Index of the events; empty: that of the token. */
  readonly index: string;
  /** Time between two questions; absent: 1 s. */
  readonly pollMs?: number;
  /** Events that are not indexed within this time are sent again; absent: five minutes. */
  readonly indexMs?: number;
}

/** A batch that Splunk has accepted and not yet indexed. */
interface Pending {
  readonly ackId: number;
  readonly position: number;
  readonly sentMs: number;
}

/** Batches that may wait for acknowledgement before another is sent. */
const MAX_PENDING = 20;
const POLL_MS = 1000;
const INDEX_MS = 300_000;
/** An empty batch is answered within this time, also where something is not acknowledged. */
const SETTLE_MS = 20_000;
/** Wait after a failure that needs a person. */
const SETTING_MS = 60_000;

const acks = s.object({ acks: s.record(s.boolean(''), '', MAX_PENDING) });

/**
 * The HTTP Event Collector of Splunk with indexer acknowledgement:
 * https://help.splunk.com/en/splunk-enterprise/get-data-in/collect-http-event-data/about-http-event-collector-indexer-acknowledgment.
 * A batch is acknowledged once Splunk has indexed it and all batches before it. After a failure, and where the numbers of
 * a channel do not increase, what is not acknowledged is sent again over a new channel.
 */
export function createSplunkAckSink(options: HttpSinkOptions, ack: SplunkAckOptions): Sink {
  const { name, receiver, clock, render, deadlineMs } = options;
  const { format = 'ocsf' } = options;
  const { index, pollMs = POLL_MS, indexMs = INDEX_MS } = ack;
  const client = openHttpClient(receiver.caFile, deadlineMs);
  const ackUrl = receiver.url.replace(/(?:\/event)?(?:\/1\.0)?\/?$/, '/ack');
  let channel = randomUUID();
  let pending: Pending[] = [];
  const indexed = new Set<number>();
  let lastAckId = -1;
  let lastPollMs = -Infinity;
  let acknowledged = 0;

  const post = async (url: string, body: string) => {
    const token = await readSinkFile(receiver.secretFile, 'none');
    return client.send({ url, headers: { ...splunkHeaders(token), 'x-splunk-request-channel': channel }, body });
  };
  const failed = (outcome: SinkOutcome): SinkOutcome => {
    channel = randomUUID();
    pending = [];
    indexed.clear();
    lastAckId = -1;
    return outcome.outcome === 'retry' ? { ...outcome, acknowledged } : outcome;
  };
  /** Asks what was indexed. Undefined: it was answered, and nothing takes too long. */
  const poll = async (): Promise<SinkOutcome | undefined> => {
    lastPollMs = clock.monotonic();
    const response = await post(ackUrl, JSON.stringify({ acks: pending.map(({ ackId }) => ackId) }));
    if (response.status !== 200) return retry(`HTTP ${String(response.status)} to the question what is indexed`);
    const answer = acks.parse(parseAnswer(response.body));
    if (!answer.ok) return retry('the answer does not say what is indexed');
    for (const { ackId } of pending) if (answer.value.acks[String(ackId)] === true) indexed.add(ackId);
    for (let [first] = pending; first !== undefined && indexed.delete(first.ackId); [first] = pending) {
      acknowledged = first.position;
      pending.shift();
    }
    const [oldest] = pending;
    return oldest !== undefined && clock.monotonic() - oldest.sentMs > indexMs
      ? retry(`Splunk has not indexed events within ${String(indexMs / 1000)} s`)
      : undefined;
  };
  /** Waits until no more than `most` batches are not acknowledged, or the time is over. */
  const settle = async (most: number, limitMs: number): Promise<SinkOutcome | undefined> => {
    const startMs = clock.monotonic();
    while (pending.length > most && clock.monotonic() - startMs < limitMs) {
      await sleep(clock, lastPollMs + pollMs - clock.monotonic(), client.closing);
      if (client.closing.aborted) return retry('the sink is closed');
      const problem = await poll();
      if (problem !== undefined) return problem;
    }
    return undefined;
  };
  const accept = async (batch: readonly StoredEvent[], body: Buffer): Promise<SinkOutcome> => {
    const { ackId } = parseAnswer(body);
    if (typeof ackId !== 'number' || !Number.isSafeInteger(ackId)) {
      const reason =
        'Splunk gives no ackId: turn indexer acknowledgement on for the token, or set sink-splunk-ack to off';
      return failed({ ...retry(reason), afterMs: SETTING_MS });
    }
    if (ackId <= lastAckId) return failed(retry('the ackId of Splunk has not increased: it may have been restarted'));
    lastAckId = ackId;
    pending.push({ ackId, position: batch.at(-1)?.position ?? acknowledged, sentMs: clock.monotonic() });
    const problem = clock.monotonic() - lastPollMs >= pollMs ? await poll() : undefined;
    return problem === undefined ? { outcome: 'ok', acknowledged } : failed(problem);
  };
  const send = async (batch: readonly StoredEvent[]): Promise<SinkOutcome> => {
    const problem = batch.length === 0 ? await settle(0, SETTLE_MS) : await settle(MAX_PENDING - 1, Infinity);
    if (problem !== undefined) return failed(problem);
    // Nothing was ever sent: there is nothing to acknowledge.
    if (batch.length === 0) return lastAckId === -1 ? { outcome: 'ok' } : { outcome: 'ok', acknowledged };
    const body = toSplunkBody(await render(batch), { index, format });
    if (Buffer.byteLength(body) > MAX_BODY_BYTES && batch.length > 1)
      return { outcome: 'split', reason: `more than ${String(MAX_BODY_BYTES)} bytes` };
    const response = await post(receiver.url, body);
    if (response.status >= 200 && response.status < 300) return accept(batch, response.body);
    const uids = batch.map(({ uid }) => uid);
    const outcome = judgeSplunkFailure(response, uids) ?? failureOf(response, clock.now());
    if (outcome.outcome !== 'split') return failed(outcome);
    // A single event is rejected now, which acknowledges everything before it.
    const late = batch.length === 1 ? await settle(0, Infinity) : undefined;
    return late === undefined ? outcome : failed(late);
  };
  return {
    name,
    send: async (batch) => {
      const outcome = await client.attempt(() => send(batch));
      // A broken connection: Splunk may have lost what it had not indexed.
      return outcome.outcome === 'retry' && outcome.acknowledged === undefined ? failed(outcome) : outcome;
    },
    close: client.close,
  };
}
