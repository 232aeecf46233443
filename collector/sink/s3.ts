import { createHash } from 'node:crypto';
import type { Clock } from '../../service/clock.ts';
import type { EventFormat } from '../../service/config/event-format.ts';
import type { HttpResponse } from '../../service/https-request.ts';
import { toLine } from '../event/line.ts';
import type { OcsfEvent } from '../event/ocsf/ocsf.ts';
import { viewOf } from '../event/view/view.ts';
import type { StoredEvent } from '../store/stored-event.ts';
import { openArchiveObject } from './archive-object.ts';
import type { ArchiveObject, ClosedObject } from './archive-object.ts';
import { awsFailure } from './aws-failure.ts';
import type { AwsFailure } from './aws-failure.ts';
import { signRequest } from './aws-signature.ts';
import type { AwsCredentials } from './aws-signature.ts';
import { openHttpClient, retry } from './http-client.ts';
import type { Sink, SinkOutcome } from './sink.ts';

/** When an object is complete: by whichever comes first. */
export interface ObjectLimits {
  /** Since its first event. */
  readonly maxAgeMs: number;
  readonly maxEvents: number;
  /** Before compression; the last event may exceed it. */
  readonly maxBytes: number;
}

/** What the sink needs. */
export interface S3Options {
  readonly name: string;
  readonly clock: Clock;
  /** Absent: OCSF. */
  readonly format?: EventFormat;
  /** Makes the events of a batch, in order. */
  readonly render: (batch: readonly StoredEvent[]) => Promise<readonly OcsfEvent[]>;
  /** Where the objects of the bucket are, without a slash at the end; see {@link bucketUrl}. */
  readonly url: string;
  readonly region: string;
  /** Account that must own the bucket; empty: any. */
  readonly owner: string;
  /** Start of the key of each object: empty, or with a slash at its end. */
  readonly prefix: string;
  /** File with authorities in PEM; `system`: those that this machine trusts. */
  readonly caFile: string;
  /** Read for each object. Rejects with RangeError. */
  readonly credentials: () => Promise<AwsCredentials>;
  readonly limits: ObjectLimits;
  /** Within which the answer to an upload must be complete; absent: two minutes. */
  readonly deadlineMs?: number;
}

/** 64 MiB of events are about 4 MiB compressed: enough for a line of 300 kbit/s. */
const UPLOAD_MS = 120_000;
/** Digits of the largest position, so that keys sort as events do. */
const POSITION_DIGITS = String(Number.MAX_SAFE_INTEGER).length;

/** The URL of a bucket: below the endpoint (`path`), or a name of its own (`virtual-host`). */
export function bucketUrl(endpoint: string, bucket: string, style: 'path' | 'virtual-host'): string {
  const { protocol, host, pathname } = new URL(endpoint);
  const path = pathname.replace(/\/$/, '');
  return style === 'path' ? `${protocol}//${host}${path}/${bucket}` : `${protocol}//${bucket}.${host}${path}`;
}

/**
 * Objects of lines, compressed with gzip, in a bucket of Amazon S3 or of a storage with the same protocol (PutObject).
 * Events are accepted until an object is complete, and acknowledged once it is stored. An object that could not be
 * stored is kept, compressed, and uploaded again under the same key: an upload whose response was lost is overwritten
 * with the same content.
 */
export function createS3Sink(options: S3Options): Sink {
  const { name, clock, render, limits } = options;
  const client = openHttpClient(options.caFile, options.deadlineMs ?? UPLOAD_MS);
  const view = viewOf(options.format ?? 'ocsf');
  let filling: ArchiveObject | undefined;
  let closed: ClosedObject | undefined;
  /** Position up to which all events are stored. */
  let stored = -1;

  const upload = async ({ first, last, body }: ClosedObject): Promise<AwsFailure | undefined> => {
    const checksum = createHash('sha256').update(body).digest('base64');
    const url = `${options.url}/${options.prefix}${keyOf(name, first, last)}`;
    const { region, owner } = options;
    const request = {
      url,
      method: 'PUT',
      headers: {
        'content-type': 'application/gzip',
        'x-amz-checksum-sha256': checksum,
        ...(owner !== '' && { 'x-amz-expected-bucket-owner': owner }),
      },
      body,
    };
    const nowMs = clock.now();
    const credentials = await options.credentials();
    const headers = signRequest(request, { service: 's3', region, credentials, nowMs });
    const response = await client.send({ ...request, headers });
    return response.status === 200 ? whyNotStored(response, checksum) : awsFailure(response, nowMs);
  };
  /** Uploads what waits. Undefined: it is stored. */
  const flush = async (): Promise<AwsFailure | undefined> => {
    if (filling !== undefined) {
      const complete = filling;
      filling = undefined;
      closed = await complete.finish();
    }
    if (closed === undefined) return undefined;
    const failure = await upload(closed);
    if (failure !== undefined) return failure;
    stored = closed.last;
    closed = undefined;
    return undefined;
  };
  /** Adds events, and uploads each object that is complete with them. */
  const add = async (batch: readonly StoredEvent[]): Promise<AwsFailure | undefined> => {
    const events = await render(batch);
    for (const [index, event] of batch.entries()) {
      const object = (filling ??= openArchiveObject(event, clock.monotonic()));
      await object.add(event, toLine(view(events[index] ?? {})));
      if (object.events() < limits.maxEvents && object.bytes() < limits.maxBytes) continue;
      const failure = await flush();
      if (failure !== undefined) return failure;
    }
    return undefined;
  };
  const send = async (batch: readonly StoredEvent[]): Promise<SinkOutcome> => {
    const known = stored;
    const sent = async (): Promise<AwsFailure | undefined> => {
      // What is sent again after a failure is in this object already.
      const failure = closed === undefined ? undefined : await flush();
      if (failure !== undefined) return failure;
      const held = filling?.last() ?? stored;
      const added = await add(batch.filter(({ position }) => position > held));
      if (added !== undefined) return added;
      const isOld = filling !== undefined && clock.monotonic() - filling.openedMs >= limits.maxAgeMs;
      return isOld ? await flush() : undefined;
    };
    const failure = await sent();
    if (failure !== undefined) return stored > known ? { ...failure, acknowledged: stored } : failure;
    return filling === undefined ? { outcome: 'ok' } : { outcome: 'ok', acknowledged: Math.max(0, stored) };
  };
  const discard = (): void => {
    filling?.discard();
    filling = undefined;
  };
  return {
    name,
    send: (batch) =>
      client.attempt(async () => {
        try {
          return await send(batch);
        } catch (error) {
          // It may lack a part of the batch, which comes again.
          discard();
          throw error;
        }
      }),
    close: () => {
      discard();
      return client.close();
    },
  };
}

/** `2026/11/29/s3-0000000000000101-0000000000000600-ID.ndjson.gz`. The id keeps events of another store apart. */
function keyOf(sink: string, first: StoredEvent, last: number): string {
  const day = new Date(first.atMs).toISOString().slice(0, 10).replaceAll('-', '/');
  const [from, to] = [first.position, last].map((position) => String(position).padStart(POSITION_DIGITS, '0'));
  return `${day}/${sink}-${from ?? ''}-${to ?? ''}-${first.uid.replaceAll(/[^A-Za-z0-9-]/g, '_')}.ndjson.gz`;
}

/** A proxy or a sign-in page can answer with 200 as well; only storage has an entity tag. */
function whyNotStored({ headers }: HttpResponse, checksum: string): AwsFailure | undefined {
  if (headers['etag'] === undefined) return retry('HTTP 200, but the answer is not that of an object storage: no ETag');
  const echoed = headers['x-amz-checksum-sha256'];
  if (echoed !== undefined && echoed !== checksum)
    return retry('the storage has stored something else: its checksum differs');
  return undefined;
}
