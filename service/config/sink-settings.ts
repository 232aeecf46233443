import { AWS_SETTINGS } from './aws-settings.ts';
import { documentFormat, jsonFormat } from './event-format.ts';
import {
  httpsUrlOrOff,
  identifier,
  integer,
  integerOrOff,
  pathOr,
  receiverUrlOrOff,
  size,
  syslogReceiver,
  word,
} from './kind.ts';
import { inDataDir } from './setting.ts';
import { QUEUE_SETTINGS } from './queue-settings.ts';
import type { SettingDefinition } from './setting.ts';
import { CA, COLLECTOR, EVENTS, FILTER, FORMAT, LINE_FORMAT, REDACT } from './sink-setting-parts.ts';

/** Settings of the sinks to which the collector delivers events. */
export const SINK_SETTINGS = {
  'sink-backlog-max-events': {
    kind: integerOrOff(1_000, 1_000_000_000),
    default: 'off',
    description:
      'Events that may wait for one sink; each 4 KiB of a large one count. Of more, the nodes with the most lose their oldest for this sink, counted and reported. `off`: events wait until the disk is full.',
    programs: COLLECTOR,
  },
  'sink-redact-key': {
    kind: pathOr('none'),
    default: 'none',
    description:
      'File with the key (at least 16 characters) of the hashes in `sink-NAME-redact`; `none`: no sink has hashes. It is read when the collector starts.',
    programs: COLLECTOR,
  },
  'sink-ndjson': {
    kind: pathOr('-', 'off'),
    default: inDataDir('events.ndjson'),
    description:
      'File to which the collector writes events, one OCSF event per line; `-`: standard output; `off`: none.',
    programs: COLLECTOR,
  },
  'sink-ndjson-events': EVENTS,
  'sink-ndjson-filter': FILTER,
  'sink-ndjson-redact': REDACT,
  'sink-ndjson-format': LINE_FORMAT,
  'sink-ndjson-max-bytes': {
    kind: size('1MiB', '64GiB'),
    default: '64MiB',
    description: 'Size at which the event file is rotated.',
    programs: COLLECTOR,
  },
  'sink-ndjson-keep': {
    kind: integer(0, 1000),
    default: '5',
    description: 'Number of rotated event files that are kept.',
    programs: COLLECTOR,
  },
  'sink-syslog': {
    kind: syslogReceiver(),
    default: 'off',
    description:
      'Syslog receiver of events, as RFC 5424 messages: `tls://host:port`, `tcp://host:port` (not encrypted), `udp://host:port` (not encrypted, and events can be lost), or `off`.',
    programs: COLLECTOR,
  },
  'sink-syslog-events': EVENTS,
  'sink-syslog-filter': FILTER,
  'sink-syslog-redact': REDACT,
  'sink-syslog-format': LINE_FORMAT,
  'sink-syslog-ca': {
    kind: pathOr('system'),
    default: 'system',
    description:
      'CA certificates in PEM for the certificate of the receiver; `system`: those that this machine trusts.',
    programs: COLLECTOR,
  },
  'sink-syslog-cert': {
    kind: pathOr('none'),
    default: 'none',
    description: 'Client certificate for the receiver: the chain in PEM, its own certificate first; or `none`.',
    programs: COLLECTOR,
  },
  'sink-syslog-key': {
    kind: pathOr('none'),
    default: 'none',
    description: 'Private key of that certificate, or `none`. A file that other users can read is refused.',
    programs: COLLECTOR,
  },
  'sink-syslog-facility': {
    kind: word(
      'user',
      'daemon',
      'auth',
      'authpriv',
      'audit',
      'local0',
      'local1',
      'local2',
      'local3',
      'local4',
      'local5',
      'local6',
      'local7',
    ),
    default: 'local0',
    description: 'Syslog facility of the messages.',
    programs: COLLECTOR,
  },
  'sink-syslog-framing': {
    kind: word('octet-counting', 'newline'),
    default: 'octet-counting',
    description:
      'How messages over TCP are separated: by their length before each, or by a line feed after each, for receivers that know nothing else. TLS always counts octets; UDP has one message in a datagram.',
    programs: COLLECTOR,
  },
  'sink-syslog-max-bytes': {
    kind: size('2KiB', '1MiB'),
    default: '8000B',
    description:
      'Maximum size of a message, including its header. A larger event is shortened. Many receivers split messages above 8192 bytes.',
    programs: COLLECTOR,
  },
  'sink-syslog-replay': {
    kind: integer(2, 100_000),
    default: '1000',
    description:
      'Number of recent events that are sent again after a connection was lost. After every half of this number, the receiver must confirm what it has read.',
    programs: COLLECTOR,
  },
  'sink-webhook': {
    kind: httpsUrlOrOff(),
    default: 'off',
    description: 'URL that gets each batch of events as a POST of a JSON array, `https://…`, or `off`.',
    programs: COLLECTOR,
  },
  'sink-webhook-events': EVENTS,
  'sink-webhook-filter': FILTER,
  'sink-webhook-redact': REDACT,
  'sink-webhook-format': {
    kind: jsonFormat(),
    default: 'ocsf',
    description: `${FORMAT}, \`cloudevents\` or \`falco\` (one event per request, for Falcosidekick).`,
    programs: COLLECTOR,
  },
  'sink-webhook-ca': CA,
  'sink-webhook-key': {
    kind: pathOr('none'),
    default: 'none',
    description:
      'File with the key with which requests to `sink-webhook` are signed (HMAC-SHA256); `none`: they are not signed.',
    programs: COLLECTOR,
  },
  'sink-splunk': {
    kind: httpsUrlOrOff(),
    default: 'off',
    description:
      'URL of the HTTP Event Collector of Splunk, such as `https://splunk.example:8088/services/collector/event`, or `off`.',
    programs: COLLECTOR,
  },
  'sink-splunk-events': EVENTS,
  'sink-splunk-filter': FILTER,
  'sink-splunk-redact': REDACT,
  'sink-splunk-format': LINE_FORMAT,
  'sink-splunk-ca': CA,
  'sink-splunk-token': {
    kind: pathOr('none'),
    default: 'none',
    description: 'File with the token of the HTTP Event Collector.',
    programs: COLLECTOR,
  },
  'sink-splunk-index': {
    kind: identifier('default'),
    default: 'default',
    description: 'Index of Splunk; `default`: that of the token.',
    programs: COLLECTOR,
  },
  'sink-splunk-ack': {
    kind: word('off', 'on'),
    default: 'off',
    description:
      'Indexer acknowledgement: events count as delivered once Splunk has indexed them. It must be turned on for the token as well.',
    programs: COLLECTOR,
  },
  'sink-elasticsearch': {
    kind: httpsUrlOrOff(),
    default: 'off',
    description:
      'URL of the `_bulk` endpoint of a data stream or index of Elasticsearch or OpenSearch, such as `https://search.example:9200/plimsoll-events/_bulk`, or `off`.',
    programs: COLLECTOR,
  },
  'sink-elasticsearch-events': EVENTS,
  'sink-elasticsearch-filter': FILTER,
  'sink-elasticsearch-redact': REDACT,
  'sink-elasticsearch-format': {
    kind: documentFormat(),
    default: 'ocsf',
    description: 'Format of the documents: `ocsf`, or `ecs` (Elastic Common Schema) with the OCSF event beside it.',
    programs: COLLECTOR,
  },
  'sink-elasticsearch-ca': CA,
  'sink-elasticsearch-secret': {
    kind: pathOr('none'),
    default: 'none',
    description: 'File with an API key for it, or with `user:password`; `none`: no authentication.',
    programs: COLLECTOR,
  },
  'sink-otlp': {
    kind: receiverUrlOrOff('https://otel.example:4318/v1/logs'),
    default: 'off',
    description: 'URL that gets events as logs of OpenTelemetry (OTLP over HTTP), or `off`.',
    programs: COLLECTOR,
  },
  'sink-otlp-events': EVENTS,
  'sink-otlp-filter': FILTER,
  'sink-otlp-redact': REDACT,
  'sink-otlp-ca': CA,
  'sink-otlp-headers': {
    kind: pathOr('none'),
    default: 'none',
    description:
      'File with headers for requests to it, `Name: value` on each line, such as those with a token; or `none`.',
    programs: COLLECTOR,
  },
  'sink-otlp-encoding': {
    kind: word('protobuf', 'json'),
    default: 'protobuf',
    description: 'Encoding of requests to it.',
    programs: COLLECTOR,
  },
  'sink-otlp-compression': {
    kind: word('gzip', 'none'),
    default: 'gzip',
    description: 'Compression of requests to it.',
    programs: COLLECTOR,
  },
  'sink-sentinel': {
    kind: httpsUrlOrOff(),
    default: 'off',
    description:
      'Data collection endpoint of Azure Monitor for Microsoft Sentinel, `https://NAME.REGION.ingest.monitor.azure.com`, or `off`.',
    programs: COLLECTOR,
  },
  'sink-sentinel-events': EVENTS,
  'sink-sentinel-filter': FILTER,
  'sink-sentinel-redact': REDACT,
  'sink-sentinel-rule': {
    kind: identifier('none'),
    default: 'none',
    description: 'Immutable id of the data collection rule, `dcr-…`.',
    programs: COLLECTOR,
  },
  'sink-sentinel-stream': {
    kind: identifier(),
    default: 'Custom-Plimsoll_CL',
    description: 'Stream of the data collection rule.',
    programs: COLLECTOR,
  },
  'sink-sentinel-tenant': {
    kind: identifier('none'),
    default: 'none',
    description: 'Id or domain of the Entra tenant.',
    programs: COLLECTOR,
  },
  'sink-sentinel-client': {
    kind: identifier('none'),
    default: 'none',
    description: 'Id of the application in that tenant (client id).',
    programs: COLLECTOR,
  },
  'sink-sentinel-secret': {
    kind: pathOr('none'),
    default: 'none',
    description: 'File with the client secret of the application.',
    programs: COLLECTOR,
  },
  'sink-sentinel-cloud': {
    kind: word('public', 'us-government', 'china'),
    default: 'public',
    description: 'Cloud of Azure, which says where tokens come from.',
    programs: COLLECTOR,
  },
  ...QUEUE_SETTINGS,
  ...AWS_SETTINGS,
} satisfies Record<string, SettingDefinition<unknown>>;
