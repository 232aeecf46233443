import { lookup } from 'node:dns';
import * as http from 'node:http';
import * as https from 'node:https';
import type { LookupFunction } from 'node:net';
import ipaddr from 'ipaddr.js';
import { errorCode } from '../../service/files.ts';
import { registryFailure } from './registry-result.ts';
import type { RegistryFailure, RegistryResult } from './registry-result.ts';

/** One HTTP request. `url` has no user information; bodies are only sent to token servers. */
export interface HttpRequest {
  readonly method: 'GET' | 'HEAD' | 'POST';
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly signal: AbortSignal;
}

/** A response whose body has not been read: read it with {@link readBody}, or call `discard`. */
export interface HttpResponse {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: AsyncIterable<Buffer>;
  readonly discard: () => void;
}

/** Connections to one registry and to what it names. */
export interface HttpTransport {
  /** Sends a request and waits for the head of the response. Follows no redirect. Never rejects. */
  readonly send: (request: HttpRequest) => Promise<RegistryResult<HttpResponse>>;
  readonly close: () => void;
}

/** How connections are made. */
export interface TransportOptions {
  /** Trusted authorities in PEM; undefined: those that Node trusts. */
  readonly ca?: string | undefined;
  /** Whether `http:` URLs may be used. */
  readonly plainHttp: boolean;
  /** Host names, without port, that may have a loopback or link-local address. */
  readonly localHosts: readonly string[];
}

const MAX_SOCKETS = 4;
const IDLE_SOCKET_MS = 15_000;

/** Opens a transport; connections are made when they are needed, and kept until `close`. */
export function createTransport({ ca, plainHttp, localHosts }: TransportOptions): HttpTransport {
  const keep = { keepAlive: true, maxSockets: MAX_SOCKETS, maxFreeSockets: 2, timeout: IDLE_SOCKET_MS };
  const plain = new http.Agent(keep);
  const secure = new https.Agent({ ...keep, minVersion: 'TLSv1.2', ...(ca === undefined ? {} : { ca }) });
  return {
    send: (request) => {
      const { url } = request;
      if (url.protocol !== 'https:' && !(plainHttp && url.protocol === 'http:'))
        return Promise.resolve(registryFailure('unreachable', 'a connection without TLS is not allowed'));
      const isLocalAllowed = localHosts.includes(url.hostname);
      if (!isLocalAllowed && isLocalAddress(url.hostname))
        return Promise.resolve(registryFailure('unreachable', LOCAL_REFUSED));
      return send(request, url.protocol === 'https:' ? secure : plain, isLocalAllowed);
    },
    close: () => {
      plain.destroy();
      secure.destroy();
    },
  };
}

const LOCAL_REFUSED = 'the address is a loopback or link-local one, which is not allowed here';

function send(
  { method, url, headers, body, signal }: HttpRequest,
  agent: http.Agent,
  isLocalAllowed: boolean,
): Promise<RegistryResult<HttpResponse>> {
  const { promise, resolve } = Promise.withResolvers<RegistryResult<HttpResponse>>();
  const fail = (error: unknown): void => resolve(failureOf(error, signal));
  try {
    const request = (url.protocol === 'https:' ? https : http).request({
      agent,
      method,
      host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
      port: url.port === '' ? undefined : Number(url.port),
      path: `${url.pathname}${url.search}`,
      // Compressed bodies would not match their digests, and could grow without bound.
      headers: { 'user-agent': 'plimsoll', 'accept-encoding': 'identity', ...headers },
      signal,
      ...(isLocalAllowed ? {} : { lookup: publicLookup }),
    });
    request.on('error', fail);
    request.on('response', (response) =>
      resolve({
        ok: true,
        value: {
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: response as AsyncIterable<Buffer>,
          discard: () => {
            // Without a listener, the error of the aborted request would end the program.
            response.on('error', () => undefined);
            response.destroy();
          },
        },
      }),
    );
    request.end(body);
  } catch (error) {
    // For example a credential with a line break in it.
    fail(error);
  }
  return promise;
}

/** The body, at most `maxBytes`. Never rejects. */
export async function readBody(
  response: HttpResponse,
  maxBytes: number,
  signal: AbortSignal,
): Promise<RegistryResult<Buffer>> {
  const parts: Buffer[] = [];
  const read = await consumeBody(response, { maxBytes, signal, consume: (part) => void parts.push(part) });
  return read.ok ? { ok: true, value: Buffer.concat(parts) } : read;
}

/** How a body is read. What `consume` throws is thrown. */
export interface BodyReading {
  readonly maxBytes: number;
  readonly signal: AbortSignal;
  readonly consume: (part: Buffer) => Promise<void> | void;
}

/** Hands the body over in parts; the next one is read when `consume` has finished. Gives the number of bytes. */
export async function consumeBody(
  response: HttpResponse,
  { maxBytes, signal, consume }: BodyReading,
): Promise<RegistryResult<number>> {
  let bytes = 0;
  const parts = response.body[Symbol.asyncIterator]();
  try {
    for (;;) {
      const next = await nextPart(parts, signal);
      if (!next.ok) return next;
      if (next.value === undefined) return { ok: true, value: bytes };
      bytes += next.value.length;
      if (bytes > maxBytes)
        return registryFailure('tooLarge', `the registry sends more than ${String(maxBytes)} bytes`);
      await consume(next.value);
    }
  } finally {
    response.discard();
  }
}

async function nextPart(
  parts: AsyncIterator<Buffer>,
  signal: AbortSignal,
): Promise<RegistryResult<Buffer | undefined>> {
  try {
    const next = await parts.next();
    return { ok: true, value: next.done === true ? undefined : next.value };
  } catch (error) {
    return failureOf(error, signal);
  }
}

function failureOf(error: unknown, signal: AbortSignal): RegistryFailure {
  if (signal.aborted) return registryFailure('timeout', 'the registry did not answer completely before the deadline');
  const code = errorCode(error);
  if (code === LOCAL_CODE) return registryFailure('unreachable', LOCAL_REFUSED);
  if (code === 'EPROTO' || code === 'ERR_SSL_WRONG_VERSION_NUMBER')
    return registryFailure('unreachable', 'the server does not speak TLS', 'plainHttp');
  if (isUntrusted(code))
    return registryFailure('unreachable', `the certificate of the server is not trusted (${code})`, 'trust');
  const ofCertificate = CERTIFICATE_PROBLEMS.get(code);
  if (ofCertificate !== undefined) return registryFailure('unreachable', `${ofCertificate} (${code})`);
  return registryFailure('unreachable', `no connection: ${/^[A-Z][A-Z0-9_]+$/.test(code) ? code : 'request failed'}`);
}

/** Codes of a certificate whose authority is missing: https://docs.openssl.org/3.5/man1/openssl-verification-options/ */
const UNTRUSTED: ReadonlySet<string> = new Set([
  'CERT_UNTRUSTED',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
]);
const CERTIFICATE_PROBLEMS: ReadonlyMap<string, string> = new Map([
  ['CERT_HAS_EXPIRED', 'the certificate of the server has expired'],
  ['CERT_NOT_YET_VALID', 'the certificate of the server is not valid yet'],
  ['ERR_TLS_CERT_ALTNAME_INVALID', 'the certificate of the server is for another name'],
]);

/** Whether an error of a connection says that its certificate is of an authority that is not trusted. */
export function isUntrusted(code: string): boolean {
  return UNTRUSTED.has(code);
}

const LOCAL_CODE = 'PLIMSOLL_LOCAL_ADDRESS';

/** `dns.lookup` that refuses local addresses at the moment of connecting, so that a second answer cannot differ. */
const publicLookup: LookupFunction = (hostname, options, callback) => {
  lookup(hostname, { ...options, all: true }, (error, addresses) => {
    const first = addresses?.[0];
    if (error !== null || first === undefined) return callback(error ?? new Error('no address'), '', 0);
    if (addresses.some(({ address }) => isLocalAddress(address)))
      return callback(Object.assign(new Error(LOCAL_REFUSED), { code: LOCAL_CODE }), '', 0);
    return options.all === true ? callback(null, addresses) : callback(null, first.address, first.family);
  });
};

/** Ranges that reach the machine itself or the metadata service of a cloud. */
const LOCAL_RANGES: ReadonlySet<string> = new Set(['loopback', 'linkLocal', 'unspecified', 'broadcast', 'multicast']);
/** Metadata service of AWS over IPv6, which is in no special range. */
const METADATA_IPV6 = 'fd00:ec2::254';

function isLocalAddress(host: string): boolean {
  const text = host.replace(/^\[(.*)\]$/, '$1');
  if (!ipaddr.isValid(text)) return text === 'localhost' || text.endsWith('.localhost');
  const address = ipaddr.process(text);
  return LOCAL_RANGES.has(address.range()) || address.toString() === METADATA_IPV6;
}
