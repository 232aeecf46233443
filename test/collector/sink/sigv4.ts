import { createHash, createHmac } from 'node:crypto';

/*
 * A verifier of AWS Signature Version 4, written from the specification and not from the sinks: the canonical request of
 * "Authenticating Requests: Using the Authorization Header" (Amazon S3 API Reference).
 */

/** A request as a server sees it. */
export interface SignedRequest {
  readonly method: string;
  /** Path and query. */
  readonly target: string;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly body: Uint8Array;
}

/** What the server knows. */
export interface ServerView {
  readonly secretOf: (accessKeyId: string) => string | undefined;
  readonly region: string;
  readonly service: string;
  readonly nowMs: number;
}

const sha256 = (data: string | Uint8Array): string => createHash('sha256').update(data).digest('hex');
const hmac = (key: string | Buffer, data: string): Buffer => createHmac('sha256', key).update(data).digest();
/** Every byte but the unreserved characters of RFC 3986 as `%XY`. */
const encode = (text: string): string =>
  [...Buffer.from(text)]
    .map((byte) => {
      const character = String.fromCharCode(byte);
      return /[A-Za-z0-9._~-]/.test(character) ? character : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
    })
    .join('');

/** The error code of the service, or undefined where the signature is right. */
export function whyRefused(request: SignedRequest, server: ServerView): string | undefined {
  const header = (name: string): string => {
    const value = request.headers[name];
    return typeof value === 'string' ? value.trim().replaceAll(/ +/g, ' ') : '';
  };
  const parsed =
    /^AWS4-HMAC-SHA256 Credential=([^/,]+)\/(\d{8})\/([^/]+)\/([^/]+)\/aws4_request, ?SignedHeaders=([a-z0-9;-]+), ?Signature=([0-9a-f]{64})$/.exec(
      header('authorization'),
    );
  if (parsed === null) return 'AuthorizationHeaderMalformed';
  const [, accessKeyId = '', date = '', region = '', service = '', signed = '', signature = ''] = parsed;
  const secret = server.secretOf(accessKeyId);
  if (secret === undefined) return 'InvalidAccessKeyId';
  if (region !== server.region || service !== server.service) return 'AuthorizationHeaderMalformed';
  const names = signed.split(';');
  const mustBeSigned = ['host', ...Object.keys(request.headers).filter((name) => name.startsWith('x-amz-'))];
  if (mustBeSigned.some((name) => !names.includes(name))) return 'AccessDenied';
  const time = header('x-amz-date');
  const [, year, month, day, hour, minute, second] = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(time) ?? [];
  const atMs = Date.parse(`${year ?? ''}-${month ?? ''}-${day ?? ''}T${hour ?? ''}:${minute ?? ''}:${second ?? ''}Z`);
  if (Number.isNaN(atMs) || !time.startsWith(date)) return 'AccessDenied';
  if (Math.abs(server.nowMs - atMs) > 15 * 60_000) return 'RequestTimeTooSkewed';
  if (header('x-amz-content-sha256') !== sha256(request.body)) return 'XAmzContentSHA256Mismatch';
  const [path = '', query = ''] = request.target.split('?');
  const canonicalPath = path
    .split('/')
    .map((part) => encode(decodeURIComponent(part)))
    .join('/');
  const canonicalQuery = query
    .split('&')
    .filter((part) => part !== '')
    .map((part) => part.split('=').map((text) => encode(decodeURIComponent(text))))
    .map(([name = '', value = '']) => `${name}=${value}`)
    .sort()
    .join('&');
  const canonical = [
    request.method,
    canonicalPath,
    canonicalQuery,
    ...names.map((name) => `${name}:${header(name)}`),
    '',
    signed,
    header('x-amz-content-sha256'),
  ].join('\n');
  const scope = `${date}/${region}/${service}/aws4_request`;
  const toSign = ['AWS4-HMAC-SHA256', time, scope, sha256(canonical)].join('\n');
  const key = hmac(hmac(hmac(hmac(`AWS4${secret}`, date), region), service), 'aws4_request');
  return hmac(key, toSign).toString('hex') === signature ? undefined : 'SignatureDoesNotMatch';
}
