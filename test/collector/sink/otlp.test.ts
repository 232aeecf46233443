import { gunzipSync } from 'node:zlib';
import t from 'tap';
import type { OcsfEvent } from '../../../collector/event/ocsf/ocsf.ts';
import { createOtlpSink } from '../../../collector/sink/otlp.ts';
import { events, ocsfOf } from './events.ts';
import { httpSinkSuite, startHttpKind } from './http-suite.ts';
import type { HttpSinkKind } from './http-suite.ts';
import type { Received } from './http-receiver.ts';

t.setTimeout(200_000);

/*
 * A second implementation of what is sent: the wire format of Protocol Buffers, with the field numbers of
 * opentelemetry-proto 1.x (collector/logs/v1, logs/v1, common/v1). A field is [number, bytes or integer].
 */
type Field = readonly [number: number, value: Buffer | bigint];

function fieldsOf(bytes: Buffer): readonly Field[] {
  const fields: Field[] = [];
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes.readUInt8(at);
      at += 1;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  };
  while (at < bytes.length) {
    const tag = Number(varint());
    const wire = tag & 7;
    if (wire === 0) fields.push([tag >> 3, varint()]);
    else if (wire === 1) {
      fields.push([tag >> 3, bytes.readBigUInt64LE(at)]);
      at += 8;
    } else if (wire === 2) {
      const length = Number(varint());
      fields.push([tag >> 3, bytes.subarray(at, at + length)]);
      at += length;
    } else throw new Error(`wire type ${String(wire)}`);
  }
  if (at !== bytes.length) throw new Error('more bytes were announced than there are');
  return fields;
}

const all = (bytes: Buffer, number: number): readonly Buffer[] =>
  fieldsOf(bytes).flatMap(([one, value]) => (one === number && typeof value !== 'bigint' ? [value] : []));
const one = (bytes: Buffer, number: number): Buffer => {
  const [first, ...rest] = all(bytes, number);
  if (first === undefined || rest.length > 0) throw new Error(`field ${String(number)} is not there once`);
  return first;
};
const strict = (bytes: Buffer): string => new TextDecoder('utf-8', { fatal: true }).decode(bytes);
const stringValue = (anyValue: Buffer): string => strict(one(anyValue, 1));
const keyValues = (message: Buffer, number: number): Readonly<Record<string, string>> =>
  Object.fromEntries(all(message, number).map((pair) => [strict(one(pair, 1)), stringValue(one(pair, 2))]));

const bytesOf = ({ bytes, headers }: Received): Buffer =>
  headers['content-encoding'] === 'gzip' ? gunzipSync(bytes) : bytes;
const resourceLogs = (request: Received): Buffer => one(bytesOf(request), 1);
const records = (request: Received): readonly Buffer[] => all(one(resourceLogs(request), 2), 2);

interface JsonRecord {
  readonly timeUnixNano: string;
  readonly body: { readonly stringValue: string };
  readonly attributes: readonly { readonly key: string; readonly value: { readonly stringValue: string } }[];
}
const jsonRecords = ({ body }: Received): readonly JsonRecord[] =>
  (
    JSON.parse(body) as {
      readonly resourceLogs: readonly [
        { readonly scopeLogs: readonly [{ readonly logRecords: readonly JsonRecord[] }] },
      ];
    }
  ).resourceLogs[0].scopeLogs[0].logRecords;

const secretFile = 'Authorization: Bearer ab12-very-secret\nX-Scope-OrgID: security\n';
const PROTOBUF: HttpSinkKind = {
  name: 'otlp',
  create: (options) => createOtlpSink(options, { encoding: 'protobuf', compression: 'gzip', version: '1.2.3' }),
  eventsOf: (request) => records(request).map((record) => JSON.parse(stringValue(one(record, 5))) as OcsfEvent),
  accept: () => ({ status: 200, headers: { 'content-type': 'application/x-protobuf' } }),
  secretFile,
};
const JSON_KIND: HttpSinkKind = {
  name: 'otlp as JSON',
  create: (options) => createOtlpSink(options, { encoding: 'json', compression: 'none', version: '1.2.3' }),
  eventsOf: (request) => jsonRecords(request).map(({ body }) => JSON.parse(body.stringValue) as OcsfEvent),
  accept: () => ({ status: 200, body: '{"partialSuccess":{}}' }),
  secretFile,
};

httpSinkSuite(t, PROTOBUF);
httpSinkSuite(t, JSON_KIND);

const batch = events(1, 3, { nodeName: 'wéb\u202e\ud800' });
// The time of the event, 2026-06-01T00:00:00Z, in nanoseconds.
const TIME = 1_780_272_000_000_000_000n;

void t.test('protobuf: what a record holds, exactly', async (t) => {
  const { receiver, open } = await startHttpKind(t, PROTOBUF);
  const sink = open();
  t.teardown(() => sink.close());
  t.match(await sink.send(batch), { outcome: 'ok' });
  const [request] = receiver.requests;
  if (request === undefined) throw new Error('nothing arrived');
  t.match(request.headers, {
    'content-type': 'application/x-protobuf',
    'content-encoding': 'gzip',
    authorization: 'Bearer ab12-very-secret',
    'x-scope-orgid': 'security',
  });
  t.strictSame(keyValues(one(resourceLogs(request), 1), 1), { 'service.name': 'plimsoll', 'service.version': '1.2.3' });
  const found = records(request);
  t.equal(found.length, 3);
  const [record] = found;
  if (record === undefined) throw new Error('no record');
  const values = new Map(fieldsOf(record));
  t.equal(values.get(1), TIME);
  t.ok(Number((values.get(11) as bigint) / 1_000_000n) > Date.now() - 60_000, 'observed now');
  t.equal(values.get(2), 18n, 'critical is ERROR2: FATAL is for fatal of OCSF');
  t.equal(strict(one(record, 3)), 'Critical');
  t.equal(strict(one(record, 12)), 'ocsf.compliance_finding.create');
  t.strictSame(keyValues(record, 6), {
    'log.record.uid': 'store-1-time',
    'host.id': 'n1',
    'host.name': 'wéb\u202e\ufffd',
    'plimsoll.finding.uid': '0cb3acb61f91ca4d1bf92fb1fbd6ad1f',
    'plimsoll.check': 'container.privileged',
  });
  const body = stringValue(one(record, 5));
  t.notMatch(body, /\u202e/, 'invisible characters are escapes of JSON');
  t.same(JSON.parse(body), JSON.parse(JSON.stringify(ocsfOf(batch[0] as (typeof batch)[0]))));
});

void t.test('JSON: names, and numbers of 64 bits as text', async (t) => {
  const { receiver, open } = await startHttpKind(t, JSON_KIND);
  const sink = open();
  t.teardown(() => sink.close());
  t.match(await sink.send(batch), { outcome: 'ok' });
  const [request] = receiver.requests;
  if (request === undefined) throw new Error('nothing arrived');
  t.equal(request.headers['content-type'], 'application/json');
  t.equal(request.headers['content-encoding'], undefined);
  const [record] = jsonRecords(request);
  t.match(record, {
    timeUnixNano: String(TIME),
    severityNumber: 18,
    severityText: 'Critical',
    eventName: 'ocsf.compliance_finding.create',
  });
  t.match(record?.attributes[0], { key: 'log.record.uid', value: { stringValue: 'store-1-time' } });
});

void t.test('refused records are counted and never sent again', async (t) => {
  // ExportLogsServiceResponse { partial_success = 1 { rejected_log_records = 1; error_message = 2 } }
  const refusal = (count: number): Buffer => Buffer.from([0x0a, 0x05, 0x08, count, 0x12, 0x01, 0x78]);
  for (const kind of [PROTOBUF, JSON_KIND]) {
    const { receiver, open } = await startHttpKind(t, kind);
    const sink = open();
    t.teardown(() => sink.close());
    const isJson = kind === JSON_KIND;
    const answer = (count: number, text: string): void =>
      receiver.answer(() => ({ status: 200, body: isJson ? text : refusal(count) }));
    answer(2, '{"partialSuccess":{"rejectedLogRecords":"2","errorMessage":"ab12"}}');
    const partial = await sink.send(batch);
    t.match(partial, { outcome: 'reject', uids: [], unidentified: 2, reason: /2 of 3/ });
    answer(3, '{"partialSuccess":{"rejectedLogRecords":3}}');
    t.match(await sink.send(batch), { outcome: 'reject', uids: batch.map(({ uid }) => uid) });
    answer(100, '{"partialSuccess":{"rejectedLogRecords":"100"}}');
    t.match(await sink.send(batch), { outcome: 'reject', uids: batch.map(({ uid }) => uid) }, 'more than were sent');
    answer(0, '{"partialSuccess":{"errorMessage":"a warning"}}');
    t.match(await sink.send(batch), { outcome: 'ok' }, 'a warning only');
    for (const body of ['<html>Sign in</html>', '[]', '"x"', '\u0000\u0001\u0002\u00ff']) {
      receiver.answer(() => ({ status: 200, body }));
      t.match(await sink.send(batch), { outcome: 'retry', reason: /not that of an OTLP receiver/ }, body);
    }
  }
});

void t.test('a file with headers that is wrong is named by its line, and nothing is sent', async (t) => {
  for (const [file, reason] of [
    ['Authorization Bearer secret', /line 1/],
    ['X-One: 1\nX-Two: \u0000secret', /line 2/],
    ['Content-Length: 3', /must not set Content-Length/],
    ['Host: other', /must not set Host/],
  ] as const) {
    const { receiver, open } = await startHttpKind(t, { ...PROTOBUF, secretFile: file });
    const sink = open();
    t.teardown(() => sink.close());
    const outcome = await sink.send(batch);
    t.match(outcome, { outcome: 'retry', reason });
    t.notMatch(JSON.stringify(outcome), /secret|other/);
    t.equal(receiver.requests.length, 0);
  }
});
