import { request } from 'node:https';
import type { IncomingMessage } from 'node:http';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { MAX_SNAPSHOT_BYTES } from '../../policy/snapshot.ts';
import type { Address } from '../../service/config/kind.ts';
import { errorCode } from '../../service/files.ts';
import { readCollectorToken } from './collector-token.ts';
import type { SignedSnapshot } from './snapshot-file.ts';

/** The operator API that hands out the snapshot. */
export interface SnapshotServer {
  readonly address: Address;
  /** Authorities in PEM that may have signed its certificate; undefined: those that Node trusts. */
  readonly ca: string | undefined;
  /** File with a token of the scope `policy`. It is read for each download. */
  readonly tokenFile: string;
  /** Certificate of this client in PEM, and its key; absent: none. */
  readonly identity?: { readonly cert: string; readonly key: string } | undefined;
}

/** The outcome of a download. `reason` is for people and holds no secret. */
export type SnapshotDownload =
  | { readonly ok: true; readonly snapshot: SignedSnapshot; readonly etag: string }
  | { readonly ok: true; readonly snapshot: undefined }
  | { readonly ok: false; readonly reason: string };

/** Where a snapshot is in the operator API, and at the replicas of the admission webhook. */
export const SNAPSHOT_PATH = '/v1/policies/snapshot';
const DEADLINE_MS = 60_000;
const unzip = promisify(gunzip);

/**
 * Downloads the snapshot of a collector, unless it still has the `etag`. The content is not verified: see
 * `openSnapshot`. Bounded in bytes, also decompressed, and in time; never rejects.
 */
export async function downloadSnapshot(
  { address, ca, tokenFile, identity }: SnapshotServer,
  { etag, signal }: { readonly etag: string; readonly signal: AbortSignal },
): Promise<SnapshotDownload> {
  const token = await readCollectorToken(tokenFile);
  if (!token.ok) return token;
  const deadline = AbortSignal.any([signal, AbortSignal.timeout(DEADLINE_MS)]);
  try {
    const response = await send(address, {
      ca,
      identity,
      signal: deadline,
      headers: {
        authorization: `Bearer ${token.token}`,
        'accept-encoding': 'gzip',
        ...(etag === '' ? {} : { 'if-none-match': etag }),
      },
    });
    return await readSnapshotResponse(response);
  } catch (error) {
    return { ok: false, reason: deadline.aborted ? 'no answer in time' : errorCode(error) };
  }
}

interface Sending extends Pick<SnapshotServer, 'ca' | 'identity'> {
  readonly headers: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
}

function send({ host, port }: Address, { ca, identity, headers, signal }: Sending): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const sent = request(
      {
        host,
        port,
        path: SNAPSHOT_PATH,
        headers,
        signal,
        agent: false,
        minVersion: 'TLSv1.2',
        ...(ca === undefined ? {} : { ca }),
        ...identity,
      },
      resolve,
    );
    sent.on('error', reject);
    sent.end();
  });
}

async function readSnapshotResponse(response: IncomingMessage): Promise<SnapshotDownload> {
  const { statusCode = 0, headers } = response;
  if (statusCode === 304) {
    response.resume();
    return { ok: true, snapshot: undefined };
  }
  const { 'plimsoll-signature': signature, etag = '' } = headers;
  if (statusCode !== 200 || typeof signature !== 'string') {
    response.destroy();
    return { ok: false, reason: statusCode === 200 ? 'the answer has no signature' : `HTTP ${String(statusCode)}` };
  }
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of response as AsyncIterable<Buffer>) {
    bytes += part.length;
    if (bytes > MAX_SNAPSHOT_BYTES) {
      response.destroy();
      return { ok: false, reason: 'the answer is too large' };
    }
    parts.push(part);
  }
  const body = Buffer.concat(parts);
  const isZipped = headers['content-encoding'] === 'gzip';
  const content = isZipped ? await unzip(body, { maxOutputLength: MAX_SNAPSHOT_BYTES }) : body;
  return { ok: true, snapshot: { content, signature }, etag };
}
