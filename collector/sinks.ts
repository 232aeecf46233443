import { compileEventFilter } from '../api/event-filter.ts';
import type { EventFilter } from '../api/event-filter.ts';
import type { Check } from '../posture/check/check.ts';
import type { Clock } from '../service/clock.ts';
import type { EventGroup } from '../service/config/event-group.ts';
import type { SyslogReceiver } from '../service/config/kind.ts';
import type { ClusterUrl, ServerUrl } from '../service/config/queue-kind.ts';
import type { Settings } from '../service/config/settings.ts';
import { sinkSetting } from '../service/config/sink-names.ts';
import type { SinkName } from '../service/config/sink-names.ts';
import type { Logger } from '../service/log.ts';
import { TlsError } from '../service/tls/tls-error.ts';
import { openS3, openSecurityHub, s3Url } from './aws-sinks.ts';
import type { NodeLookup } from './node-lookup.ts';
import type { Environment } from './sink/aws-credentials.ts';
import { loadClientTls } from './sink/client-tls.ts';
import type { ClientTls, ClientTlsPaths } from './sink/client-tls.ts';
import { createElasticsearchSink } from './sink/elasticsearch.ts';
import { createKafkaSink } from './sink/kafka.ts';
import { createNatsSink } from './sink/nats.ts';
import { createNdjsonSink } from './sink/ndjson.ts';
import type { ActivityKind } from './event/activity.ts';
import { toOcsf } from './event/ocsf/ocsf.ts';
import type { OcsfEvent } from './event/ocsf/ocsf.ts';
import { createDecide } from './event/filter.ts';
import { activityKindsOf, selectEvents } from './event/selection.ts';
import { createOtlpSink } from './sink/otlp.ts';
import { createSentinelSink, SENTINEL_CLOUDS } from './sink/sentinel.ts';
import type { Redactions } from './sink/redactions.ts';
import type { Redact } from './event/redaction.ts';
import type { Sink } from './sink/sink.ts';
import { testSink } from './sink/sink-test.ts';
import type { SinkAddress, SinkTest } from './sink/sink-test.ts';
import { createSplunkAckSink } from './sink/splunk-ack.ts';
import { createSplunkSink } from './sink/splunk.ts';
import { openSyslogConnection } from './sink/syslog-connection.ts';
import type { OpenedConnection } from './sink/syslog-connection.ts';
import { createSyslogUdpSink } from './sink/syslog-udp.ts';
import { createSyslogSink } from './sink/syslog.ts';
import { createWebhookSink } from './sink/webhook.ts';
import { StartError } from './start-error.ts';
import type { StoredEvent } from './store/stored-event.ts';

/** What sinks are made with. */
export interface SinkParts {
  readonly settings: Settings;
  readonly version: string;
  readonly clock: Clock;
  readonly nodes: NodeLookup;
  readonly checks: readonly Check[];
  readonly log: Pick<Logger, 'warn'>;
  readonly redactions: Redactions;
  /** Where the NDJSON sink `-` writes. */
  readonly standardOutput: NodeJS.WritableStream;
  /** Where credentials of AWS can be; absent: nothing. */
  readonly environment?: Environment;
}

/** Makes the events of a batch, in order. */
export type Render = (batch: readonly StoredEvent[]) => Promise<readonly OcsfEvent[]>;

/** What a sink is opened with. */
interface OpenParts extends SinkParts {
  /** Name of the sink, which is that of its cursor. */
  readonly name: string;
  readonly render: Render;
}

/** One kind of sink. */
interface SinkDefinition {
  readonly name: SinkName;
  readonly isOn: (settings: Settings) => boolean;
  /** The groups of events that it gets. */
  readonly events: (settings: Settings) => readonly EventGroup[];
  /** Where it delivers to. Called only where it is on. */
  readonly address: (settings: Settings) => SinkAddress;
  /** Called only where it is on. Rejects with TlsError if files for it are missing or wrong. */
  readonly open: (parts: OpenParts) => Promise<Sink> | Sink;
}

const SINKS: readonly SinkDefinition[] = Object.freeze([
  {
    name: 'ndjson',
    isOn: ({ sinkNdjson }) => sinkNdjson !== 'off',
    events: ({ sinkNdjsonEvents }) => sinkNdjsonEvents,
    address: () => ({ kind: 'local' }),
    open: openNdjson,
  },
  {
    name: 'syslog',
    isOn: ({ sinkSyslog }) => sinkSyslog !== 'off',
    events: ({ sinkSyslogEvents }) => sinkSyslogEvents,
    address: syslogAddress,
    open: openSyslog,
  },
  {
    name: 'webhook',
    isOn: ({ sinkWebhook }) => sinkWebhook !== 'off',
    events: ({ sinkWebhookEvents }) => sinkWebhookEvents,
    address: ({ sinkWebhook: url, sinkWebhookCa: ca }) => httpAddress(url, ca),
    open: ({ settings, ...parts }) => {
      const {
        sinkWebhook: url,
        sinkWebhookCa: caFile,
        sinkWebhookKey: secretFile,
        sinkWebhookFormat: format,
      } = settings;
      return createWebhookSink({ ...parts, format, receiver: { url, caFile, secretFile } });
    },
  },
  {
    name: 'splunk',
    isOn: ({ sinkSplunk }) => sinkSplunk !== 'off',
    events: ({ sinkSplunkEvents }) => sinkSplunkEvents,
    address: ({ sinkSplunk: url, sinkSplunkCa: ca }) => httpAddress(url, ca),
    open: ({ settings, ...parts }) => {
      const { sinkSplunk: url, sinkSplunkCa: caFile, sinkSplunkToken: secretFile, sinkSplunkIndex: index } = settings;
      const options = { ...parts, format: settings.sinkSplunkFormat, receiver: { url, caFile, secretFile } };
      const name = index === 'default' ? '' : index;
      return settings.sinkSplunkAck === 'on'
        ? createSplunkAckSink(options, { index: name })
        : createSplunkSink(options, name);
    },
  },
  {
    name: 'elasticsearch',
    isOn: ({ sinkElasticsearch }) => sinkElasticsearch !== 'off',
    events: ({ sinkElasticsearchEvents }) => sinkElasticsearchEvents,
    address: ({ sinkElasticsearch: url, sinkElasticsearchCa: ca }) => httpAddress(url, ca),
    open: ({ settings, ...parts }) => {
      const { sinkElasticsearch: url, sinkElasticsearchCa: caFile, sinkElasticsearchSecret: secretFile } = settings;
      const format = settings.sinkElasticsearchFormat;
      return createElasticsearchSink({ ...parts, format, receiver: { url, caFile, secretFile } });
    },
  },
  {
    name: 'otlp',
    isOn: ({ sinkOtlp }) => sinkOtlp !== 'off',
    events: ({ sinkOtlpEvents }) => sinkOtlpEvents,
    address: ({ sinkOtlp: url, sinkOtlpCa: ca }) => httpAddress(url, ca),
    open: ({ settings, version, ...parts }) => {
      const { sinkOtlp: url, sinkOtlpCa: caFile, sinkOtlpHeaders: secretFile } = settings;
      const { sinkOtlpEncoding: encoding, sinkOtlpCompression: compression } = settings;
      return createOtlpSink({ ...parts, receiver: { url, caFile, secretFile } }, { encoding, compression, version });
    },
  },
  {
    name: 'sentinel',
    isOn: ({ sinkSentinel }) => sinkSentinel !== 'off',
    events: ({ sinkSentinelEvents }) => sinkSentinelEvents,
    address: ({ sinkSentinel: url }) => httpAddress(url, 'system'),
    open: ({ settings, name, clock, render }) =>
      createSentinelSink({
        name,
        clock,
        render,
        endpoint: settings.sinkSentinel,
        caFile: 'system',
        rule: settings.sinkSentinelRule,
        stream: settings.sinkSentinelStream,
        tenant: settings.sinkSentinelTenant,
        client: settings.sinkSentinelClient,
        secretFile: settings.sinkSentinelSecret,
        cloud: SENTINEL_CLOUDS[settings.sinkSentinelCloud],
      }),
  },
  {
    name: 'nats',
    isOn: ({ sinkNats }) => sinkNats !== 'off',
    events: ({ sinkNatsEvents }) => sinkNatsEvents,
    address: ({ sinkNats }) => ({ kind: 'tcp', ...(sinkNats as ServerUrl).address }),
    open: openNats,
  },
  {
    name: 'kafka',
    isOn: ({ sinkKafka }) => sinkKafka !== 'off',
    events: ({ sinkKafkaEvents }) => sinkKafkaEvents,
    address: kafkaAddress,
    open: openKafka,
  },
  {
    name: 's3',
    isOn: ({ sinkS3 }) => sinkS3 !== 'off',
    events: ({ sinkS3Events }) => sinkS3Events,
    address: (settings) => httpAddress(s3Url(settings), settings.sinkS3Ca),
    open: openS3,
  },
  {
    name: 'security-hub',
    isOn: ({ sinkSecurityHub }) => sinkSecurityHub !== 'off',
    events: ({ sinkSecurityHubEvents }) => sinkSecurityHubEvents,
    address: ({ sinkSecurityHub: url, sinkSecurityHubCa: ca }) => httpAddress(url, ca),
    open: openSecurityHub,
  },
] satisfies readonly SinkDefinition[]);

/** Names of the sinks that the settings turn on: those of their cursors. */
export function sinkNames(settings: Settings): readonly string[] {
  return SINKS.filter(({ isOn }) => isOn(settings)).map(({ name }) => name);
}

/** Kinds of activities that some sink gets: only those are recorded. */
export function recordedActivities(settings: Settings): ReadonlySet<ActivityKind> {
  return activityKindsOf(SINKS.filter(({ isOn }) => isOn(settings)).flatMap(({ events }) => events(settings)));
}

/** Makes OCSF events as of now. */
export function createRender(parts: Pick<SinkParts, 'version' | 'clock' | 'nodes' | 'checks'>): Render {
  const { version, clock, nodes } = parts;
  const checks = new Map(parts.checks.map((check) => [check.id, check]));
  return async (batch) => {
    const context = { version, checks, node: await nodes.byId(), nowMs: clock.now() };
    return batch.map((event) => toOcsf(event, context));
  };
}

/**
 * The sinks that the settings turn on. Rejects with TlsError if files for one are missing or wrong, with StartError if a
 * filter is wrong.
 */
export async function openSinks(parts: SinkParts): Promise<readonly Sink[]> {
  const { settings } = parts;
  const renderAll = createRender(parts);
  const wanted = SINKS.filter(({ isOn }) => isOn(settings));
  const filters = new Map(wanted.map(({ name, events }) => [name, filterOf(name, events(settings), parts)]));
  const sinks: Sink[] = [];
  for (const { name, events, open } of wanted) {
    const filter = filters.get(name);
    // The sink gets the events that its filter has judged.
    const remembered = filter === undefined ? renderAll : rememberRendered(renderAll);
    const decide = filter && createDecide(filter, remembered);
    const render = redacted(remembered, parts.redactions.get(name));
    sinks.push(selectEvents(await open({ ...parts, name, render }), new Set(events(settings)), decide));
  }
  return sinks;
}

/** The filter of a sink; undefined: none. Throws a StartError where it is wrong. */
function filterOf(
  name: SinkName,
  groups: readonly EventGroup[],
  { settings, log }: Pick<SinkParts, 'settings' | 'log'>,
): EventFilter | undefined {
  const text = settings[sinkSetting(name, 'Filter')];
  if (text === 'none') return undefined;
  const setting = `sink-${name}-filter`;
  const compiled = compileEventFilter(text);
  if (!compiled.ok)
    throw new StartError(
      'sink',
      `${setting}: ${compiled.problem}`,
      'attributes of events: docs/events.md; the language: docs/query.md',
    );
  for (const { group, reason } of compiled.filter.hiddenResolutions)
    if (groups.includes(group))
      log.warn(
        { setting, reason },
        'the filter of a sink hides that findings are resolved: let status "Resolved" through',
      );
  return compiled.filter;
}

/** Makes the events of a batch as a sink gets them. */
export function createRenderFor(
  parts: Pick<SinkParts, 'version' | 'clock' | 'nodes' | 'checks' | 'redactions'>,
): (batch: readonly StoredEvent[], sink: string) => ReturnType<Render> {
  const render = createRender(parts);
  return (batch, sink) => redacted(render, parts.redactions.get(sink))(batch);
}

function redacted(render: Render, redact: Redact | undefined): Render {
  return redact === undefined ? render : async (batch) => (await render(batch)).map(redact);
}

/** Renders each event once, for as long as someone holds it. */
function rememberRendered(render: Render): Render {
  const known = new WeakMap<StoredEvent, OcsfEvent>();
  return async (batch) => {
    const missing = batch.filter((event) => !known.has(event));
    const rendered = missing.length === 0 ? [] : await render(missing);
    for (const [index, event] of missing.entries()) known.set(event, rendered[index] ?? {});
    return batch.map((event) => known.get(event) ?? {});
  };
}

/** Tests the sink with this name, by a connection of its own. Undefined: no such sink, or it is off. Never rejects. */
export async function testSinkOf(name: string, parts: SinkParts): Promise<SinkTest | undefined> {
  // The test must not rotate the file that the sink writes, and uploads an object of its own.
  const settings = { ...parts.settings, sinkNdjsonMaxBytes: Number.MAX_SAFE_INTEGER, sinkS3MaxEvents: 1 };
  const found = SINKS.find((sink) => sink.name === name && sink.isOn(settings));
  if (found === undefined) return undefined;
  const render = redacted(createRender(parts), parts.redactions.get(name));
  const open = async (): Promise<Sink> => found.open({ ...parts, settings, name, render });
  return testSink({ name: found.name, address: found.address(settings), open, clock: parts.clock });
}

function syslogAddress({
  sinkSyslog,
  sinkSyslogCa: ca,
  sinkSyslogCert: cert,
  sinkSyslogKey: key,
}: Settings): SinkAddress {
  const { address, transport } = sinkSyslog as SyslogReceiver;
  if (transport === 'udp') return { kind: 'udp', ...address };
  return { kind: 'tcp', ...address, ...(transport === 'tls' && { tls: { ca, cert, key } }) };
}

function httpAddress(url: string, ca: string): SinkAddress {
  const { protocol, hostname, port } = new URL(url);
  const isTls = protocol === 'https:';
  return {
    kind: 'tcp',
    host: hostname.replace(/^\[(.*)\]$/, '$1'),
    port: port === '' ? (isTls ? 443 : 80) : Number(port),
    ...(isTls && { tls: { ca, cert: 'none', key: 'none' } }),
  };
}

function openNdjson({ name, render, settings, standardOutput }: OpenParts): Sink {
  const { sinkNdjson: path, sinkNdjsonMaxBytes: maxBytes, sinkNdjsonKeep: keep } = settings;
  return createNdjsonSink({
    name,
    target: path === '-' ? { kind: 'stream', stream: standardOutput } : { kind: 'file', path, maxBytes, keep },
    format: settings.sinkNdjsonFormat,
    render,
  });
}

/**
 * Loads the files for TLS, again for each connection: a certificate that was renewed is used without a restart. Rejects
 * with TlsError where they are missing now, which must be said at start. Without TLS there is nothing to load.
 */
async function tlsLoader(
  isTls: boolean,
  paths: ClientTlsPaths,
  setting: string,
): Promise<() => Promise<ClientTls | undefined>> {
  const load = async (): Promise<ClientTls | undefined> => (isTls ? loadClientTls(paths, setting) : undefined);
  await load();
  return load;
}

async function openNats({ name, settings, render }: OpenParts): Promise<Sink> {
  // It is opened only if it is on.
  const { address, isTls } = settings.sinkNats as ServerUrl;
  const paths = { ca: settings.sinkNatsCa, cert: settings.sinkNatsCert, key: settings.sinkNatsKey };
  const loadTls = await tlsLoader(isTls, paths, 'sink-nats');
  return createNatsSink({
    name,
    render,
    address,
    loadTls,
    credentialsFile: settings.sinkNatsCredentials,
    subject: settings.sinkNatsSubject,
    format: settings.sinkNatsFormat,
    stream: settings.sinkNatsStream === 'any' ? '' : settings.sinkNatsStream,
  });
}

/** The first of the brokers: a test of one shows what concerns all. */
function kafkaAddress({ sinkKafka, sinkKafkaCa: ca, sinkKafkaCert: cert, sinkKafkaKey: key }: Settings): SinkAddress {
  const { addresses, isTls } = sinkKafka as ClusterUrl;
  const { host, port } = addresses[0] ?? { host: '', port: 0 };
  return { kind: 'tcp', host, port, ...(isTls && { tls: { ca, cert, key } }) };
}

async function openKafka({ name, settings, clock, render }: OpenParts): Promise<Sink> {
  // It is opened only if it is on.
  const { addresses, isTls } = settings.sinkKafka as ClusterUrl;
  const { sinkKafkaMechanism: mechanism, sinkKafkaCredentials: credentialsFile } = settings;
  if (!isTls && mechanism === 'PLAIN' && credentialsFile !== 'none')
    throw new TlsError('absent', 'PLAIN sends the password as it is: use tls:// in sink-kafka, or a SCRAM mechanism');
  const paths = { ca: settings.sinkKafkaCa, cert: settings.sinkKafkaCert, key: settings.sinkKafkaKey };
  const loadTls = await tlsLoader(isTls, paths, 'sink-kafka');
  return createKafkaSink({
    name,
    clock,
    render,
    format: settings.sinkKafkaFormat,
    brokers: addresses,
    loadTls,
    mechanism,
    credentialsFile,
    topic: settings.sinkKafkaTopic,
  });
}

async function openSyslog({ name, settings, clock, render }: OpenParts): Promise<Sink> {
  // It is opened only if it is on.
  const { address, transport } = settings.sinkSyslog as SyslogReceiver;
  const frame = {
    facility: settings.sinkSyslogFacility,
    maxBytes: settings.sinkSyslogMaxBytes,
    format: settings.sinkSyslogFormat,
    procId: String(process.pid),
  };
  if (transport === 'udp') return createSyslogUdpSink({ name, clock, render, frame, address });
  const paths = { ca: settings.sinkSyslogCa, cert: settings.sinkSyslogCert, key: settings.sinkSyslogKey };
  const loadTls = await tlsLoader(transport === 'tls', paths, 'sink-syslog');
  const open = async (): Promise<OpenedConnection> => {
    try {
      const tls = await loadTls();
      return await openSyslogConnection({ address, clock, ...(tls && { tls }) });
    } catch (error) {
      if (error instanceof TlsError) return { ok: false, reason: error.message };
      throw error;
    }
  };
  return createSyslogSink({
    name,
    clock,
    render,
    frame: { ...frame, framing: transport === 'tls' ? 'octet-counting' : settings.sinkSyslogFraming },
    open,
    replay: settings.sinkSyslogReplay,
  });
}
