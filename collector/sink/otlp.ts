import { safeJson } from '../../api/safe.ts';
import { decodeRejectedRecords, encodeOtlpLogs, toOtlpJson } from '../../proto/otlp.ts';
import type { OtlpAttributes, OtlpLogRecord, OtlpLogs } from '../../proto/otlp.ts';
import { retry } from './http-client.ts';
import { createHttpSink } from './http-delivery.ts';
import type { HttpSinkOptions } from './http-delivery.ts';
import type { OcsfEvent } from '../event/ocsf/ocsf.ts';
import type { Sink, SinkOutcome } from './sink.ts';

/** How records are written, and whether requests are compressed. */
export interface OtlpOptions {
  readonly encoding: 'protobuf' | 'json';
  readonly compression: 'gzip' | 'none';
  /** Version of the collector. */
  readonly version: string;
}

/** `severity_id` of OCSF, 0 … 6, as a severity number of OpenTelemetry: INFO, INFO2, WARN, ERROR, ERROR2, FATAL. */
const SEVERITY_NUMBERS: readonly number[] = [0, 9, 10, 13, 17, 18, 21];

/**
 * Logs of OpenTelemetry over HTTP (`/v1/logs`): https://opentelemetry.io/docs/specs/otlp/. The body of a record is the event
 * as JSON text; attributes repeat what a pipeline routes by. The secret is a file with headers.
 */
export function createOtlpSink(options: HttpSinkOptions, { encoding, compression, version }: OtlpOptions): Sink {
  const isJson = encoding === 'json';
  return createHttpSink(options, {
    compression,
    toRequest: (events, { secret, nowMs }) => {
      const logs: OtlpLogs = {
        resource: [
          ['service.name', 'plimsoll'],
          ['service.version', version],
        ],
        scope: { name: 'plimsoll', version },
        records: events.map((event) => toRecord(event, nowMs)),
      };
      return {
        headers: {
          ...parseHeaders(secret),
          'content-type': isJson ? 'application/json' : 'application/x-protobuf',
        },
        body: isJson ? safeJson(toOtlpJson(logs)) : encodeOtlpLogs(logs),
      };
    },
    judge: ({ body }, uids) => judge(isJson ? rejectedInJson(body) : rejectedInProtobuf(body), uids),
  });
}

/** What of an OCSF event is read here; all of them have it but for the parts that can be absent. */
interface EventShape {
  readonly time: number;
  readonly severity_id: number;
  readonly severity?: string;
  readonly type_name: string;
  readonly metadata: { readonly uid: string };
  readonly finding_info?: { readonly uid?: string; readonly analytic?: { readonly uid?: string } };
  readonly device?: { readonly uid?: string; readonly name?: string };
}

function toRecord(event: OcsfEvent, nowMs: number): OtlpLogRecord {
  const { time, severity_id: severity, type_name: type, metadata, ...rest } = event as unknown as EventShape;
  const { finding_info: finding, device } = rest;
  const attributes: readonly (readonly [string, string | undefined])[] = [
    ['log.record.uid', metadata.uid],
    ['host.id', device?.uid],
    ['host.name', device?.name],
    ['plimsoll.finding.uid', finding?.uid],
    ['plimsoll.check', finding?.analytic?.uid],
  ];
  return {
    timeMs: time,
    observedMs: nowMs,
    severityNumber: SEVERITY_NUMBERS[severity] ?? 0,
    severityText: rest.severity ?? '',
    eventName: `ocsf.${type.toLowerCase().replaceAll(': ', '.').replaceAll(' ', '_')}`,
    body: safeJson(event),
    attributes: attributes.flatMap(([key, value]): OtlpAttributes =>
      // UTF-8 has no half of a pair.
      value === undefined ? [] : [[key, value.toWellFormed()]],
    ),
  };
}

/** Headers that the file may not set: they belong to the connection or to the encoding of the body. */
const RESERVED: ReadonlySet<string> = new Set([
  'connection',
  'content-encoding',
  'content-length',
  'content-type',
  'host',
  'transfer-encoding',
]);

/** `Name: value`, one a line (RFC 9110, 5.5). Throws a RangeError with the number of the line, never with its text. */
function parseHeaders(text: string | undefined): Readonly<Record<string, string>> {
  const headers: Record<string, string> = {};
  for (const [index, line] of (text ?? '').split('\n').entries()) {
    if (line.trim() === '') continue;
    const [, name = '', value] =
      /^([!#$%&'*+.^_`|~0-9A-Za-z-]{1,200}):[ \t]*([ -~]{0,8000}?)[ \t\r]*$/.exec(line) ?? [];
    if (value === undefined)
      throw new RangeError(`line ${String(index + 1)} of sink-otlp-headers is not "Name: value"`);
    if (RESERVED.has(name.toLowerCase())) throw new RangeError(`sink-otlp-headers must not set ${name}`);
    headers[name.toLowerCase()] = value;
  }
  return headers;
}

/** Refused records must not be sent again, and nothing says which they are. */
function judge(rejected: number | undefined, uids: readonly string[]): SinkOutcome | undefined {
  if (rejected === undefined) return retry('HTTP 200, but the answer is not that of an OTLP receiver');
  if (rejected <= 0) return undefined;
  const count = Math.min(rejected, uids.length);
  const reason = `the receiver refused ${String(count)} of ${String(uids.length)} records`;
  return count === uids.length
    ? { outcome: 'reject', uids, reason }
    : { outcome: 'reject', uids: [], unidentified: count, reason };
}

/** Undefined: not an answer of OTLP. */
function rejectedInProtobuf(body: Buffer): number | undefined {
  try {
    return decodeRejectedRecords(body);
  } catch {
    return undefined;
  }
}

/** As JSON the number is text, because it has 64 bits; some receivers write a number, or nothing at all. */
function rejectedInJson(body: Buffer): number | undefined {
  if (body.length === 0) return 0;
  let value: unknown;
  try {
    value = JSON.parse(body.toString('utf8'));
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  const { partialSuccess } = value as { readonly partialSuccess?: { readonly rejectedLogRecords?: unknown } | null };
  const count = Number(partialSuccess?.rejectedLogRecords ?? 0);
  return Number.isSafeInteger(count) ? count : undefined;
}
