import { safeJson } from '../../api/safe.ts';
import * as s from '../../posture/schema.ts';
import type { Clock } from '../../service/clock.ts';
import type { OcsfEvent } from '../event/ocsf/ocsf.ts';
import { viewOf } from '../event/view/view.ts';
import type { StoredEvent } from '../store/stored-event.ts';
import { failureOf, openHttpClient, parseAnswer, readSinkFile, retry } from './http-client.ts';
import { groupsOf, toMessages } from './messages.ts';
import type { Sink, SinkOutcome } from './sink.ts';

/** What the sink needs. */
export interface SentinelOptions {
  readonly name: string;
  readonly clock: Clock;
  /** Makes the events of a batch, in order. */
  readonly render: (batch: readonly StoredEvent[]) => Promise<readonly OcsfEvent[]>;
  /** Data collection endpoint: `https://NAME.REGION.ingest.monitor.azure.com`. */
  readonly endpoint: string;
  /** File with authorities in PEM; `system`: those that this machine trusts. */
  readonly caFile: string;
  /** Immutable id of the data collection rule. */
  readonly rule: string;
  readonly stream: string;
  /** Id or domain of the Entra tenant, and id of the application in it. */
  readonly tenant: string;
  readonly client: string;
  /** File with the secret of the application; read for each token. */
  readonly secretFile: string;
  readonly cloud: SentinelCloud;
  /** Within which each answer must be complete; absent: 30 s. */
  readonly deadlineMs?: number;
}

/** Where tokens come from, and for what they are. */
export interface SentinelCloud {
  readonly login: string;
  readonly scope: string;
}

/** The clouds of Azure: https://learn.microsoft.com/entra/identity-platform/authentication-national-cloud. */
export const SENTINEL_CLOUDS = Object.freeze({
  public: { login: 'https://login.microsoftonline.com', scope: 'https://monitor.azure.com/.default' },
  'us-government': { login: 'https://login.microsoftonline.us', scope: 'https://monitor.azure.us/.default' },
  china: { login: 'https://login.partner.microsoftonline.cn', scope: 'https://monitor.azure.cn/.default' },
} satisfies Record<string, SentinelCloud>);

/** Longer values of a field are cut at 64 KB. */
const MAX_EVENT_BYTES = 60_000;
/** Events of one call, which has at most 1 MB: the other columns of 500 rows need a seventh of that. */
const GROUP_BYTES = 800_000;
/** A token is replaced this long before its end. */
const TOKEN_MARGIN_MS = 60_000;

const tokenAnswer = s.object({
  access_token: s.string('', 16_384),
  expires_in: s.integer('', 1, 86_400),
});

interface Token {
  readonly text: string;
  readonly untilMs: number;
}

/**
 * The Logs Ingestion API of Azure Monitor, which fills tables of Microsoft Sentinel:
 * https://learn.microsoft.com/azure/azure-monitor/logs/logs-ingestion-api-overview. Each event is a row.
 */
export function createSentinelSink(options: SentinelOptions): Sink {
  const { name, clock, render, caFile, rule, stream, deadlineMs } = options;
  const client = openHttpClient(caFile, deadlineMs);
  const view = viewOf('ocsf');
  const url = `${options.endpoint.replace(/\/$/, '')}/dataCollectionRules/${rule}/streams/${stream}?api-version=2023-01-01`;
  let token: Token | undefined;

  const authorize = async (): Promise<Token | SinkOutcome> => {
    if (token !== undefined && clock.monotonic() < token.untilMs) return token;
    token = undefined;
    const secret = await readSinkFile(options.secretFile, 'none');
    const body = new URLSearchParams({
      grant_type: 'client_credentials',
      client_id: options.client,
      client_secret: secret ?? '',
      scope: options.cloud.scope,
    });
    const response = await client.send({
      url: `${options.cloud.login}/${options.tenant}/oauth2/v2.0/token`,
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: body.toString(),
    });
    const failure = failureOf(response, clock.now());
    if (response.status !== 200)
      return failure.outcome === 'retry' && response.status >= 429
        ? { ...failure, reason: `no token: ${failure.reason}` }
        : retry(`no token: HTTP ${String(response.status)}; are tenant, client and secret right?`);
    const answer = tokenAnswer.parse(parseAnswer(response.body));
    if (!answer.ok || !/^[!-~]+$/.test(answer.value.access_token)) return retry('no token: the answer has none');
    const { access_token: text, expires_in: seconds } = answer.value;
    token = { text, untilMs: clock.monotonic() + Math.max(0, seconds * 1000 - TOKEN_MARGIN_MS) };
    return token;
  };
  const send = async (batch: readonly StoredEvent[]): Promise<SinkOutcome> => {
    if (batch.length === 0) return { outcome: 'ok' };
    const ocsf = await render(batch);
    const { messages, tooLarge } = toMessages(batch, ocsf, { view, maxBytes: MAX_EVENT_BYTES });
    const rejected: SinkOutcome = {
      outcome: 'reject',
      uids: tooLarge,
      reason: 'the summary of the event is too large',
    };
    if (messages.length === 0) return rejected;
    const granted = await authorize();
    if ('outcome' in granted) return granted;
    const headers = { 'content-type': 'application/json', authorization: `Bearer ${granted.text}` };
    for (const group of groupsOf(messages, GROUP_BYTES)) {
      const body = `[${group.map(({ payload }) => rowOf(payload)).join(',')}]`;
      const response = await client.send({ url, headers, body, compression: 'gzip' });
      // It may have been withdrawn: the next attempt asks for another.
      if (response.status === 401) token = undefined;
      const { status } = response;
      // Anything else with 2xx is a proxy's.
      if (status !== 204 && status >= 200 && status < 300)
        return retry(`HTTP ${String(status)}, but the answer is not that of the Logs Ingestion API, which is 204`);
      if (status !== 204) return failureOf(response, clock.now());
    }
    return tooLarge.length === 0 ? { outcome: 'ok' } : rejected;
  };
  return { name, send: (batch) => client.attempt(() => send(batch)), close: client.close };
}

/** A row of the table: what queries filter by, and the event as a dynamic column. */
function rowOf(payload: Buffer): string {
  const event = JSON.parse(payload.toString()) as OcsfEvent;
  const {
    time,
    class_uid: classUid,
    severity,
    metadata,
    finding_info: finding,
    device,
  } = event as {
    readonly time: number;
    readonly class_uid: number;
    readonly severity?: string;
    readonly metadata: { readonly uid: string };
    readonly finding_info?: { readonly uid?: string; readonly analytic?: { readonly uid?: string } };
    readonly device?: { readonly name?: string };
  };
  return safeJson({
    TimeGenerated: new Date(time).toISOString(),
    EventUid: metadata.uid,
    ClassUid: classUid,
    Severity: severity ?? '',
    Computer: device?.name ?? '',
    FindingUid: finding?.uid ?? '',
    Check: finding?.analytic?.uid ?? '',
    Event: event,
  });
}
