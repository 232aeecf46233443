import { isIP } from 'node:net';
import type { Producer, ProducerOptions, ProduceResult } from '@platformatic/kafka';
import { within } from '../../service/clock.ts';
import type { Clock } from '../../service/clock.ts';
import type { EventFormat } from '../../service/config/event-format.ts';
import { formatAddress } from '../../service/config/kind.ts';
import type { Address } from '../../service/config/kind.ts';
import { TlsError } from '../../service/tls/tls-error.ts';
import type { OcsfEvent } from '../event/ocsf/ocsf.ts';
import { viewOf } from '../event/view/view.ts';
import type { StoredEvent } from '../store/stored-event.ts';
import type { ClientTls } from './client-tls.ts';
import { defectOf } from './defect.ts';
import { readSinkFile, retry } from './http-client.ts';
import { groupsOf, toMessages } from './messages.ts';
import type { Message } from './messages.ts';
import type { Sink, SinkOutcome } from './sink.ts';

/** How the collector proves who it is. */
export type KafkaMechanism = 'SCRAM-SHA-256' | 'SCRAM-SHA-512' | 'PLAIN';

/** What the sink needs. */
export interface KafkaSinkOptions {
  readonly name: string;
  readonly clock: Clock;
  /** Makes the events of a batch, in order. */
  readonly render: (batch: readonly StoredEvent[]) => Promise<readonly OcsfEvent[]>;
  /** Of the messages; absent: OCSF. */
  readonly format?: EventFormat;
  /** Brokers that are asked for the others. */
  readonly brokers: readonly Address[];
  /** Read for each connection; undefined: without TLS. Rejects with TlsError. */
  readonly loadTls: () => Promise<ClientTls | undefined>;
  readonly mechanism: KafkaMechanism;
  /** File with `user:password`; `none`. */
  readonly credentialsFile: string;
  readonly topic: string;
  /** Deadline of one step: connecting, and each request; absent: 20 s. */
  readonly stepMs?: number;
}

const STEP_MS = 20_000;
/** A message, and a batch of them, may have 1 MiB less the overhead, unless `max.message.bytes` says otherwise. */
const GROUP_BYTES = 900 * 1024;

type EventProducer = Producer<string, Buffer, string, string>;

/** What became of a request: `gone`: a connection was lost · `late`: not within the deadline. */
type Answer = ProduceResult | 'gone' | 'late';

interface OpenProducer {
  readonly client: EventProducer;
  /** Resolves once a connection was lost. */
  readonly gone: Promise<void>;
  readonly isGone: () => boolean;
  /** Where the client puts a message with this key, by the metadata of the last request. */
  readonly partitionOf: (key: string) => number;
}

/**
 * A topic of Apache Kafka: https://kafka.apache.org/protocol. One message for each event, keyed by its finding, with its uid
 * in the header `id`; all replicas in sync must have stored it. After a failure the producer is opened anew, so that the
 * idempotence of Kafka covers one producer only: what is sent again has the same uid.
 */
export function createKafkaSink(options: KafkaSinkOptions): Sink {
  const { name, clock, render, topic, stepMs = STEP_MS } = options;
  const view = viewOf(options.format ?? 'ocsf');
  const where = options.brokers.map(formatAddress).join(',');
  const closing = new AbortController();
  let producer: OpenProducer | undefined;
  const drop = (): void => {
    // Nothing is waited for: a broker that does not answer must not hold anything up.
    producer?.client.close(true).catch(() => undefined);
    producer = undefined;
  };
  const produce = async ({ client, gone, partitionOf }: OpenProducer, group: readonly Message[]): Promise<void> => {
    const sent = client.send({
      messages: group.map(({ uid, key, payload }) => ({ topic, key, value: payload, headers: { id: uid } })),
    });
    // It is not waited for after a connection was lost.
    sent.catch(() => undefined);
    const either = Promise.race([sent, gone.then(() => 'gone' as const)]);
    // Metadata, a new connection and the request itself have a deadline each.
    const answer = await within<Answer>(clock, 3 * stepMs, either, () => 'late');
    if (answer === 'gone') throw new RangeError('the broker ended the connection');
    if (answer === 'late') throw new RangeError(`no answer within ${String((3 * stepMs) / 1000)} s`);
    const acknowledged = new Set(answer.offsets?.map((one) => `${one.topic} ${String(one.partition)}`));
    if (group.some(({ key }) => !acknowledged.has(`${topic} ${String(partitionOf(key))}`)))
      throw new RangeError('an answer does not acknowledge all messages');
  };
  const send = async (batch: readonly StoredEvent[]): Promise<SinkOutcome> => {
    const { messages, tooLarge } = toMessages(batch, await render(batch), { view, maxBytes: GROUP_BYTES });
    const to = (producer ??= await open(options, stepMs));
    for (const group of groupsOf(messages, GROUP_BYTES)) {
      if (closing.signal.aborted) return retry(CLOSED);
      await produce(to, group);
    }
    if (tooLarge.length === 0) return { outcome: 'ok' };
    return { outcome: 'reject', uids: tooLarge, reason: 'the summary of the event is too large' };
  };
  return {
    name,
    send: async (batch) => {
      if (closing.signal.aborted) return retry(CLOSED);
      if (batch.length === 0) return { outcome: 'ok' };
      if (producer?.isGone() === true) drop();
      try {
        return await send(batch);
      } catch (error) {
        drop();
        if (codesOf(error).includes(MESSAGE_TOO_LARGE))
          return { outcome: 'split', reason: `${where}: larger than the topic allows (max.message.bytes)` };
        return retry(closing.signal.aborted ? CLOSED : `${where}: ${reasonOf(error)}`);
      } finally {
        if (closing.signal.aborted) drop();
      }
    },
    close: async () => {
      closing.abort();
      drop();
    },
  };
}

const CLOSED = 'the sink is closed';
/** What a client says that has no producer id yet. */
const NO_PRODUCER = Object.freeze({ producerId: -1n, producerEpoch: -1 });

/** The package is loaded only where the sink is used. */
async function open(options: KafkaSinkOptions, stepMs: number): Promise<OpenProducer> {
  const { brokers, loadTls, credentialsFile, mechanism } = options;
  const kafka = await import('@platformatic/kafka');
  const credentials = await readSinkFile(credentialsFile, 'none');
  const tls = await loadTls();
  // An address must not be in the TLS extension with the name of the server.
  const isNamed = brokers.every(({ host }) => isIP(host) === 0);
  const colon = credentials?.indexOf(':') ?? 0;
  if (credentials !== undefined && colon === -1) throw new RangeError(`${credentialsFile} is not user:password`);
  const settings: ProducerOptions<string, Buffer, string, string> = {
    clientId: 'plimsoll',
    bootstrapBrokers: [...brokers],
    serializers: {
      key: kafka.stringSerializer,
      value: (value) => value,
      headerKey: kafka.stringSerializer,
      headerValue: kafka.stringSerializer,
    },
    // Every replica in sync has stored a message before it counts as sent.
    acks: kafka.ProduceAcks.ALL,
    idempotent: true,
    autocreateTopics: false,
    // A failure is tried again by the delivery worker, with its waits.
    retries: false,
    timeout: stepMs,
    connectTimeout: stepMs,
    requestTimeout: stepMs,
    ...(tls !== undefined && { tls: { ...tls, minVersion: 'TLSv1.2' }, tlsServerName: isNamed }),
    ...(credentials !== undefined && {
      sasl: { mechanism, username: credentials.slice(0, colon), password: credentials.slice(colon + 1) },
    }),
  };
  const client: EventProducer = new kafka.Producer(settings);
  let isGone = false;
  const gone = new Promise<void>((resolve) => {
    client.on('client:broker:disconnect', () => {
      isGone = true;
      resolve();
    });
  });
  try {
    // Connecting, authenticating and the request itself.
    const limitMs = 2 * stepMs;
    const ready = client.initIdempotentProducer(NO_PRODUCER);
    if ((await within<unknown>(options.clock, limitMs, ready, () => undefined)) === undefined)
      throw new RangeError(`no answer within ${String(limitMs / 1000)} s`);
    const partitionOf = (key: string): number => {
      const count = client.currentMetadata?.topics.get(options.topic)?.partitionsCount ?? 1;
      return kafka.defaultPartitioner({ topic: options.topic, value: '' }, Buffer.from(key)) % count;
    };
    return { client, gone, isGone: () => isGone, partitionOf };
  } catch (error) {
    client.close(true).catch(() => undefined);
    throw error;
  }
}

const MESSAGE_TOO_LARGE = 10;

/** Errors within an error, with itself; at most a few hundred. */
function flatten(error: unknown, depth = 0): readonly unknown[] {
  if (typeof error !== 'object' || error === null || depth > 5) return [];
  const { errors = [], cause } = error as { readonly errors?: unknown; readonly cause?: unknown };
  const inner = Array.isArray(errors) ? errors.slice(0, 100) : [];
  return [error, ...[...inner, cause].flatMap((one) => flatten(one, depth + 1))];
}

/** The codes of the protocol: https://kafka.apache.org/protocol#protocol_error_codes. */
function codesOf(error: unknown): readonly number[] {
  return flatten(error).flatMap((one) => {
    const { apiCode } = one as { readonly apiCode?: unknown };
    return typeof apiCode === 'number' ? [apiCode] : [];
  });
}

/** What failed, without any text of the broker. */
function reasonOf(error: unknown): string {
  const all = flatten(error);
  const plain = all.find((one) => one instanceof RangeError || one instanceof TlsError);
  if (plain instanceof Error) return plain.message;
  const [code] = codesOf(error);
  if (code !== undefined) return `the broker answered with error ${String(code)}${hintOf(code)}`;
  const names = all.flatMap((one) => {
    const { code } = one as { readonly code?: unknown };
    return typeof code === 'string' && /^[A-Z][A-Z0-9_]{1,60}$/.test(code) ? [code] : [];
  });
  const defect = all.map(defectOf).find((one) => one !== undefined);
  if (defect !== undefined) return defect;
  if (names.includes('PLT_KFK_AUTHENTICATION'))
    return 'the broker does not accept the credentials in sink-kafka-credentials';
  // The innermost says most: the code of the socket or of TLS.
  return `the connection failed (${names.at(-1) ?? 'unknown'})`;
}

function hintOf(code: number): string {
  const hint = HINTS[code];
  return hint === undefined ? '' : `: ${hint}`;
}

const HINTS: Readonly<Record<number, string>> = Object.freeze({
  3: 'the topic in sink-kafka-topic does not exist',
  19: 'too few replicas are in sync',
  29: 'the credentials do not permit to write to the topic',
  31: 'the credentials do not permit to write idempotently',
  33: 'the broker does not have the mechanism in sink-kafka-mechanism',
  58: 'the credentials are not accepted',
});
