import { CHECKS } from '../posture/check/registry.ts';
import type { Clock } from '../service/clock.ts';
import type { SyslogReceiver } from '../service/config/kind.ts';
import type { Settings } from '../service/config/settings.ts';
import { TlsError } from '../service/tls/tls-error.ts';
import type { NodeLookup } from './node-lookup.ts';
import { createElasticsearchSink } from './sink/elasticsearch.ts';
import { createNdjsonSink } from './sink/ndjson.ts';
import type { NdjsonTarget } from './sink/ndjson.ts';
import { toOcsf } from './event/ocsf/ocsf.ts';
import type { OcsfEvent } from './event/ocsf/ocsf.ts';
import type { Sink } from './sink/sink.ts';
import { createSplunkSink } from './sink/splunk.ts';
import { openSyslogConnection } from './sink/syslog-connection.ts';
import type { OpenedConnection } from './sink/syslog-connection.ts';
import { loadSyslogTls } from './sink/syslog-tls.ts';
import { createSyslogSink } from './sink/syslog.ts';
import { createWebhookSink } from './sink/webhook.ts';
import type { StoredEvent } from './store/store.ts';

/** What sinks are made with. */
export interface SinkParts {
  readonly settings: Settings;
  readonly version: string;
  readonly clock: Clock;
  readonly nodes: NodeLookup;
  /** Where the NDJSON sink `-` writes. */
  readonly standardOutput: NodeJS.WritableStream;
}

type Render = (batch: readonly StoredEvent[]) => Promise<readonly OcsfEvent[]>;

/** Names of the sinks that the settings turn on: those of their cursors. */
export function sinkNames({
  sinkNdjson,
  sinkSyslog,
  sinkWebhook,
  sinkSplunk,
  sinkElasticsearch,
}: Settings): readonly string[] {
  return [
    ...(sinkNdjson === 'off' ? [] : [NDJSON]),
    ...(sinkSyslog === 'off' ? [] : [SYSLOG]),
    ...(sinkWebhook === 'off' ? [] : [WEBHOOK]),
    ...(sinkSplunk === 'off' ? [] : [SPLUNK]),
    ...(sinkElasticsearch === 'off' ? [] : [ELASTICSEARCH]),
  ];
}

/** The sinks that the settings turn on. Rejects with TlsError if files for one are missing or wrong. */
export async function openSinks(parts: SinkParts): Promise<readonly Sink[]> {
  const { settings, version, clock, nodes, standardOutput } = parts;
  const checks = new Map(CHECKS.map((check) => [check.id, check]));
  const render: Render = async (batch) => {
    const context = { version, checks, node: await nodes.byId(), nowMs: clock.now() };
    return batch.map((event) => toOcsf(event, context));
  };
  const { sinkNdjson, sinkSyslog } = settings;
  const sinks: Sink[] = [];
  if (sinkNdjson !== 'off') {
    const { sinkNdjsonMaxBytes: maxBytes, sinkNdjsonKeep: keep } = settings;
    const target: NdjsonTarget =
      sinkNdjson === '-'
        ? { kind: 'stream', stream: standardOutput }
        : { kind: 'file', path: sinkNdjson, maxBytes, keep };
    sinks.push(createNdjsonSink({ name: NDJSON, target, render }));
  }
  if (sinkSyslog !== 'off') sinks.push(await openSyslog(parts, sinkSyslog, render));
  return [...sinks, ...openHttpSinks(settings, { clock, render })];
}

/** The sinks that send batches over HTTPS. */
function openHttpSinks(settings: Settings, parts: { readonly clock: Clock; readonly render: Render }): readonly Sink[] {
  const sinks: Sink[] = [];
  const { sinkWebhook, sinkSplunk, sinkSplunkIndex, sinkElasticsearch } = settings;
  if (sinkWebhook !== 'off') {
    const receiver = { url: sinkWebhook, caFile: settings.sinkWebhookCa, secretFile: settings.sinkWebhookKey };
    sinks.push(createWebhookSink({ ...parts, name: WEBHOOK, receiver }));
  }
  if (sinkSplunk !== 'off') {
    const receiver = { url: sinkSplunk, caFile: settings.sinkSplunkCa, secretFile: settings.sinkSplunkToken };
    const index = sinkSplunkIndex === 'default' ? '' : sinkSplunkIndex;
    sinks.push(createSplunkSink({ ...parts, name: SPLUNK, receiver }, index));
  }
  if (sinkElasticsearch !== 'off') {
    const { sinkElasticsearchCa: caFile, sinkElasticsearchSecret: secretFile } = settings;
    const receiver = { url: sinkElasticsearch, caFile, secretFile };
    sinks.push(createElasticsearchSink({ ...parts, name: ELASTICSEARCH, receiver }));
  }
  return sinks;
}

const NDJSON = 'ndjson';
const SYSLOG = 'syslog';
const WEBHOOK = 'webhook';
const SPLUNK = 'splunk';
const ELASTICSEARCH = 'elasticsearch';

async function openSyslog({ settings, clock }: SinkParts, receiver: SyslogReceiver, render: Render): Promise<Sink> {
  const { address, transport } = receiver;
  const paths = { ca: settings.sinkSyslogCa, cert: settings.sinkSyslogCert, key: settings.sinkSyslogKey };
  const withTls = async (): Promise<OpenedConnection> => {
    try {
      // Read again for each connection: a certificate that was renewed is used without a restart.
      return await openSyslogConnection({ address, clock, tls: await loadSyslogTls(paths) });
    } catch (error) {
      if (error instanceof TlsError) return { ok: false, reason: error.message };
      throw error;
    }
  };
  // What is missing at start must be said at start.
  if (transport === 'tls') await loadSyslogTls(paths);
  return createSyslogSink({
    name: SYSLOG,
    clock,
    render,
    frame: {
      facility: settings.sinkSyslogFacility,
      maxBytes: settings.sinkSyslogMaxBytes,
      procId: String(process.pid),
    },
    open: transport === 'tls' ? withTls : () => openSyslogConnection({ address, clock }),
    replay: settings.sinkSyslogReplay,
  });
}
