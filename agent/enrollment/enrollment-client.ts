import { createPrivateKey, X509Certificate } from 'node:crypto';
import { request } from 'node:https';
import { connect } from 'node:tls';
import type { DetailedPeerCertificate } from 'node:tls';
import * as s from '../../posture/schema.ts';
import { formatAddress } from '../../service/config/kind.ts';
import type { Address } from '../../service/config/kind.ts';
import { nodeIdentity } from '../../service/tls/node-identity.ts';
import type { NodeName } from '../../service/tls/node-identity.ts';
import { parseCertificates } from '../../service/tls/pem-file.ts';
import { publicKeyPin } from '../../service/tls/signing-request.ts';

/** A certificate that a collector issued, with the CAs that nodes have to trust, as PEM text. */
export interface IssuedCertificate {
  readonly certificatePem: string;
  readonly authorityPem: string;
}

/** The outcome of a request to the enrolment listener. `reason` is for people and says what to do where that is known. */
export type EnrollmentOutcome<T> =
  { readonly ok: true; readonly value: T } | { readonly ok: false; readonly reason: string };

/** Credentials of a request: the trusted CA, and for a renewal our certificate and key. */
interface Credentials {
  readonly ca: string;
  readonly cert?: string;
  readonly key?: string;
}

const DEADLINE_MS = 15_000;
const MAX_RESPONSE_BYTES = 64 * 1024;
/** Certificates of a chain that are looked at. */
const MAX_CHAIN = 8;

const issuedSchema = s.object({ certificate: s.string('', 16_384), authority: s.string('', 32_768) });
const errorSchema = s.object({ error: s.object({ code: s.string('', 64), message: s.string('', 1_000) }) });

/**
 * Fetches the CA of the collector at `address` over a connection that proves nothing, and returns it if its public key has
 * one of the hashes `pins` (`sha256:` and 64 hexadecimal digits). Nothing secret is sent over this connection.
 */
export function fetchAuthority(address: Address, pins: readonly string[]): Promise<EnrollmentOutcome<string>> {
  const { promise, resolve } = Promise.withResolvers<EnrollmentOutcome<string>>();
  const fail = (reason: string): void => resolve({ ok: false, reason });
  const socket = connect({
    host: address.host,
    port: address.port,
    minVersion: 'TLSv1.3',
    // Decided by the pin, before anything is sent.
    rejectUnauthorized: false,
  });
  const timer = setTimeout(() => {
    fail(`${formatAddress(address)} did not complete a TLS handshake within ${String(DEADLINE_MS / 1000)} s`);
    socket.destroy();
  }, DEADLINE_MS);
  socket.on('error', (error: NodeJS.ErrnoException) =>
    fail(`cannot connect to ${formatAddress(address)}: ${error.code ?? error.message}`),
  );
  socket.once('secureConnect', () => {
    const authority = chainOf(socket.getPeerCertificate(true))
      .map((raw) => pinned(raw, pins))
      .find((pem) => pem !== undefined);
    if (authority === undefined)
      fail(
        `no certificate that ${formatAddress(address)} presents has the key hash ${pins.join(' or ')}: check --join-ca-hash, or someone intercepts the connection`,
      );
    else resolve({ ok: true, value: authority });
    socket.destroy();
  });
  void promise.finally(() => clearTimeout(timer));
  return promise;
}

/** Exchanges a join token for a certificate for `nodeId`. */
export function requestEnrollment(
  address: Address,
  ca: string,
  body: { readonly joinToken: string; readonly nodeId: string; readonly csr: string },
  deadlineMs = DEADLINE_MS,
): Promise<EnrollmentOutcome<IssuedCertificate>> {
  return requestCertificate({ address, path: '/v1/enroll', deadlineMs }, { ca }, body);
}

/** Exchanges the service-account token of a pod for a certificate of the node that the pod runs on. */
export function requestAttestation(
  address: Address,
  ca: string,
  body: { readonly token: string; readonly csr: string },
): Promise<EnrollmentOutcome<IssuedCertificate>> {
  return requestCertificate({ address, path: '/v1/attest', deadlineMs: DEADLINE_MS }, { ca }, body);
}

/** Requests a new certificate for the node that `credentials` name. */
export function requestRenewal(
  address: Address,
  credentials: Required<Credentials>,
  csr: string,
): Promise<EnrollmentOutcome<IssuedCertificate>> {
  return requestCertificate({ address, path: '/v1/renew', deadlineMs: DEADLINE_MS }, credentials, { csr });
}

/** The node that an issued certificate names, or why it cannot be used. */
export type IssuedNode =
  { readonly ok: true; readonly node: NodeName } | { readonly ok: false; readonly problem: string };

/**
 * Checks an issued certificate: it is for our key, was signed by a CA that came with it, and one of these CAs is one that
 * was trusted before.
 */
export function checkIssued(
  { certificatePem, authorityPem }: IssuedCertificate,
  { keyPem, ca }: { readonly keyPem: string; readonly ca: string },
): IssuedNode {
  const no = (problem: string): IssuedNode => ({ ok: false, problem });
  try {
    const certificate = new X509Certificate(certificatePem);
    const authorities = parseCertificates(authorityPem);
    if (!certificate.checkPrivateKey(createPrivateKey(keyPem))) return no('the certificate is for another key');
    if (!authorities.some(({ publicKey }) => certificate.verify(publicKey)))
      return no('the certificate is not signed by the CA');
    if (!haveCommonKey(authorityPem, ca)) return no('the collector has another CA');
    const identity = nodeIdentity(certificate.raw);
    return identity.ok ? { ok: true, node: identity } : no(identity.problem);
  } catch {
    return no('the response holds no valid certificate');
  }
}

/** Is the public key of a certificate in one PEM text also that of one in the other? Throws where one is not valid. */
export function haveCommonKey(one: string, other: string): boolean {
  const pins = new Set(parseCertificates(one).map((certificate) => publicKeyPin(certificate.toString())));
  return parseCertificates(other).some((certificate) => pins.has(publicKeyPin(certificate.toString())));
}

interface Target {
  readonly address: Address;
  readonly path: string;
  readonly deadlineMs: number;
}

async function requestCertificate(
  target: Target,
  credentials: Credentials,
  body: unknown,
): Promise<EnrollmentOutcome<IssuedCertificate>> {
  const response = await postJson(target, credentials, JSON.stringify(body));
  if (!response.ok) return response;
  const { status, json } = response.value;
  const issued = issuedSchema.parse(json);
  if (status === 200 && issued.ok)
    return { ok: true, value: { certificatePem: issued.value.certificate, authorityPem: issued.value.authority } };
  const refused = errorSchema.parse(json);
  return {
    ok: false,
    reason: refused.ok ? refused.value.error.message : `unexpected response, HTTP ${String(status)}`,
  };
}

interface JsonResponse {
  readonly status: number;
  readonly json: unknown;
}

function postJson(
  { address, path, deadlineMs }: Target,
  credentials: Credentials,
  body: string,
): Promise<EnrollmentOutcome<JsonResponse>> {
  const { promise, resolve } = Promise.withResolvers<EnrollmentOutcome<JsonResponse>>();
  const fail = (reason: string): void => resolve({ ok: false, reason: `${formatAddress(address)}: ${reason}` });
  const deadline = AbortSignal.timeout(deadlineMs);
  const failed = ({ code, message }: NodeJS.ErrnoException): void =>
    fail(deadline.aborted ? `no answer within ${String(deadlineMs / 1000)} s` : (code ?? message));
  const call = request({
    ...credentials,
    host: address.host,
    port: address.port,
    path,
    method: 'POST',
    agent: false,
    minVersion: 'TLSv1.3',
    headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) },
    signal: deadline,
  });
  call.on('error', failed);
  call.on('response', (response) => {
    const parts: Buffer[] = [];
    let bytes = 0;
    response.on('data', (part: Buffer) => {
      bytes += part.length;
      if (bytes <= MAX_RESPONSE_BYTES) parts.push(part);
      else response.destroy(new Error('the response is too large'));
    });
    response.on('error', failed);
    response.on('end', () => {
      try {
        const json = JSON.parse(Buffer.concat(parts).toString('utf8')) as unknown;
        resolve({ ok: true, value: { status: response.statusCode ?? 0, json } });
      } catch {
        fail(`the response is not JSON (HTTP ${String(response.statusCode)})`);
      }
    });
  });
  call.end(body);
  return promise;
}

function chainOf(leaf: DetailedPeerCertificate): readonly Buffer[] {
  const chain: Buffer[] = [];
  let certificate: DetailedPeerCertificate | undefined = leaf;
  for (let depth = 0; depth < MAX_CHAIN && certificate?.raw !== undefined; depth += 1) {
    chain.push(certificate.raw);
    const issuer: DetailedPeerCertificate = certificate.issuerCertificate;
    certificate = issuer === certificate ? undefined : issuer;
  }
  return chain;
}

/** The certificate (DER) as PEM if it is that of a CA whose public key has one of the hashes `pins`. */
function pinned(raw: Buffer, pins: readonly string[]): string | undefined {
  try {
    const certificate = new X509Certificate(raw);
    const pem = certificate.toString();
    return certificate.ca && pins.includes(publicKeyPin(pem)) ? pem : undefined;
  } catch {
    // For example a public key of an algorithm that OpenSSL does not know.
    return undefined;
  }
}
