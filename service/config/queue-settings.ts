import { identifier, pathOr, word } from './kind.ts';
import { clusterUrlOrOff, kafkaTopic, natsSubject, serverUrlOrOff } from './queue-kind.ts';
import type { SettingDefinition } from './setting.ts';
import { CA, COLLECTOR, EVENTS, FILTER, LINE_FORMAT, REDACT } from './sink-setting-parts.ts';

const CERT = {
  kind: pathOr('none'),
  default: 'none',
  description: 'Client certificate for it: the chain in PEM, its own certificate first; or `none`.',
  programs: COLLECTOR,
} as const satisfies SettingDefinition<unknown>;

const KEY = {
  kind: pathOr('none'),
  default: 'none',
  description: 'Private key of that certificate, or `none`. A file that other users can read is refused.',
  programs: COLLECTOR,
} as const satisfies SettingDefinition<unknown>;

/** Settings of sinks to message queues. */
export const QUEUE_SETTINGS = {
  'sink-nats': {
    kind: serverUrlOrOff('tls', 'nats', 4222),
    default: 'off',
    description: 'Server of NATS with JetStream: `tls://host:port`, `nats://host:port` (not encrypted), or `off`.',
    programs: COLLECTOR,
  },
  'sink-nats-events': EVENTS,
  'sink-nats-filter': FILTER,
  'sink-nats-redact': REDACT,
  'sink-nats-format': LINE_FORMAT,
  'sink-nats-ca': CA,
  'sink-nats-cert': CERT,
  'sink-nats-key': KEY,
  'sink-nats-credentials': {
    kind: pathOr('none'),
    default: 'none',
    description:
      'File with a token, with `user:password`, with the seed of an nkey, or a credentials file (`.creds`) for it; or `none`.',
    programs: COLLECTOR,
  },
  'sink-nats-subject': {
    kind: natsSubject(),
    default: 'plimsoll.events',
    description: 'Subject of the events. A stream must have it.',
    programs: COLLECTOR,
  },
  'sink-nats-stream': {
    kind: identifier('any'),
    default: 'any',
    description: 'Stream that must store the events; `any`: the one that has the subject.',
    programs: COLLECTOR,
  },
  'sink-kafka': {
    kind: clusterUrlOrOff('tls', 'kafka'),
    default: 'off',
    description:
      'Brokers of Apache Kafka, separated by commas: `tls://host:port,host:port`, `kafka://host:port` (not encrypted), or `off`.',
    programs: COLLECTOR,
  },
  'sink-kafka-events': EVENTS,
  'sink-kafka-filter': FILTER,
  'sink-kafka-redact': REDACT,
  'sink-kafka-format': LINE_FORMAT,
  'sink-kafka-ca': CA,
  'sink-kafka-cert': CERT,
  'sink-kafka-key': KEY,
  'sink-kafka-mechanism': {
    kind: word('SCRAM-SHA-256', 'SCRAM-SHA-512', 'PLAIN'),
    default: 'SCRAM-SHA-512',
    description: 'SASL mechanism for `sink-kafka-credentials`. `PLAIN` only over TLS.',
    programs: COLLECTOR,
  },
  'sink-kafka-credentials': {
    kind: pathOr('none'),
    default: 'none',
    description: 'File with `user:password` for the brokers; `none`: no SASL.',
    programs: COLLECTOR,
  },
  'sink-kafka-topic': {
    kind: kafkaTopic(),
    default: 'plimsoll.events',
    description: 'Topic of the events. It must exist.',
    programs: COLLECTOR,
  },
} satisfies Record<string, SettingDefinition<unknown>>;
