import { createHash, createHmac } from 'node:crypto';

/** Keys of an account of AWS, or of a service with the same protocol. */
export interface AwsCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Of temporary credentials. */
  readonly sessionToken?: string | undefined;
}

/** A request to sign. Its URL has no query string, and no character of its path needs percent-encoding. */
export interface UnsignedRequest {
  readonly method: string;
  readonly url: string;
  /** Headers that are signed; names in lower case, values without white space around them. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array;
}

/** For which service and region a signature is valid, and who signs when. */
export interface SigningScope {
  readonly service: string;
  readonly region: string;
  readonly credentials: AwsCredentials;
  readonly nowMs: number;
}

const ALGORITHM = 'AWS4-HMAC-SHA256';

/**
 * The headers of the request with its signature: AWS Signature Version 4,
 * https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html. The server refuses it if the clocks
 * differ by more than 15 minutes.
 */
export function signRequest(request: UnsignedRequest, scope: SigningScope): Readonly<Record<string, string>> {
  const { accessKeyId, secretAccessKey, sessionToken } = scope.credentials;
  const { host, pathname } = new URL(request.url);
  const payloadHash = createHash('sha256').update(request.body).digest('hex');
  const time = new Date(scope.nowMs).toISOString().replaceAll(/[-:]|\.\d{3}/g, '');
  const date = time.slice(0, 8);
  const headers: Readonly<Record<string, string>> = {
    ...request.headers,
    host,
    'x-amz-content-sha256': payloadHash,
    'x-amz-date': time,
    ...(sessionToken !== undefined && { 'x-amz-security-token': sessionToken }),
  };
  const names = Object.keys(headers).sort();
  const lines = names.map((name) => `${name}:${headers[name] ?? ''}\n`).join('');
  const canonical = [request.method, pathname, '', lines, names.join(';'), payloadHash].join('\n');
  const credentialScope = `${date}/${scope.region}/${scope.service}/aws4_request`;
  const canonicalHash = createHash('sha256').update(canonical).digest('hex');
  const key = [date, scope.region, scope.service, 'aws4_request'].reduce<Buffer>(
    (secret, part) => createHmac('sha256', secret).update(part).digest(),
    Buffer.from(`AWS4${secretAccessKey}`),
  );
  const signature = createHmac('sha256', key)
    .update([ALGORITHM, time, credentialScope, canonicalHash].join('\n'))
    .digest('hex');
  return {
    ...headers,
    authorization: `${ALGORITHM} Credential=${accessKeyId}/${credentialScope}, SignedHeaders=${names.join(';')}, Signature=${signature}`,
  };
}
