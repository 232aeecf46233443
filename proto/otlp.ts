import './plain-numbers.ts';
import { otlp } from './generated/otlp.js';
import { TextReader } from './text-reader.ts';

const { ExportLogsServiceRequest, ExportLogsServiceResponse } = otlp.v1;

/** Attributes in the order in which they are sent. */
export type OtlpAttributes = readonly (readonly [key: string, value: string])[];

/** One record of a log. */
export interface OtlpLogRecord {
  /** Milliseconds since 1970. */
  readonly timeMs: number;
  /** When it is sent. Milliseconds since 1970. */
  readonly observedMs: number;
  /** 1 … 24; 0: not known. */
  readonly severityNumber: number;
  readonly severityText: string;
  readonly eventName: string;
  readonly body: string;
  readonly attributes: OtlpAttributes;
}

/** Records of one sender. */
export interface OtlpLogs {
  readonly resource: OtlpAttributes;
  readonly scope: { readonly name: string; readonly version: string };
  readonly records: readonly OtlpLogRecord[];
}

/** The body of a request with `Content-Type: application/x-protobuf`. */
export function encodeOtlpLogs({ resource, scope, records }: OtlpLogs): Uint8Array {
  const logRecords = records.map(
    ({ timeMs, observedMs, severityNumber, severityText, eventName, body, attributes }) => ({
      timeUnixNano: nanoseconds(timeMs),
      severityNumber,
      severityText,
      body: { stringValue: body },
      attributes: keyValues(attributes),
      observedTimeUnixNano: nanoseconds(observedMs),
      eventName,
    }),
  );
  const resourceLogs = [{ resource: { attributes: keyValues(resource) }, scopeLogs: [{ scope, logRecords }] }];
  return ExportLogsServiceRequest.encode({ resourceLogs }).finish();
}

/** The same as JSON: names in lowerCamelCase, numbers of 64 bits as text. */
export function toOtlpJson({ resource, scope, records }: OtlpLogs): object {
  const logRecords = records.map(
    ({ timeMs, observedMs, severityNumber, severityText, eventName, body, attributes }) => ({
      timeUnixNano: String(nanosecondsOf(timeMs)),
      observedTimeUnixNano: String(nanosecondsOf(observedMs)),
      severityNumber,
      severityText,
      eventName,
      body: { stringValue: body },
      attributes: keyValues(attributes),
    }),
  );
  return { resourceLogs: [{ resource: { attributes: keyValues(resource) }, scopeLogs: [{ scope, logRecords }] }] };
}

/** How many records the receiver has refused, by its answer in Protobuf. Throws on bytes that are no such answer. */
export function decodeRejectedRecords(bytes: Buffer): number {
  return ExportLogsServiceResponse.decode(new TextReader(bytes)).partialSuccess?.rejectedLogRecords ?? 0;
}

function keyValues(attributes: OtlpAttributes) {
  return attributes.map(([key, value]) => ({ key, value: { stringValue: value } }));
}

function nanosecondsOf(ms: number): bigint {
  return BigInt(Math.max(0, Math.trunc(ms))) * 1_000_000n;
}

/** Both halves of a number that is too large for the precision of JavaScript; the encoder takes it like a number. */
function nanoseconds(ms: number): number {
  const value = nanosecondsOf(ms);
  return { low: Number(value & 0xffff_ffffn), high: Number(value >> 32n), unsigned: true } as unknown as number;
}
