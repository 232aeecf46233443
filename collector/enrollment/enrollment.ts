import type { Clock } from '../../service/clock.ts';
import type { Logger } from '../../service/log.ts';
import type { Issuer } from '../../service/tls/issue.ts';
import { isNodeId, isNodeUid } from '../../service/tls/node-identity.ts';
import type { NodeName } from '../../service/tls/node-identity.ts';
import { signNodeRequest } from '../../service/tls/signing-request.ts';
import { TlsError } from '../../service/tls/tls-error.ts';
import { createMutex } from '../session/mutex.ts';
import type { JoinTokens, TokenRefusal } from './join-tokens.ts';
import type { AttestToken } from './kubernetes-attestation.ts';
import type { Revocations } from './revocations.ts';

/** What enrolment works with. */
export interface EnrollmentOptions {
  readonly issuer: () => Promise<Issuer>;
  /** The CAs that nodes have to trust now, in PEM. */
  readonly trusted: () => string;
  readonly tokens: JoinTokens;
  readonly revocations: Revocations;
  /** Attests agents in pods; undefined: the collector has no access to a Kubernetes API server. */
  readonly attestToken?: AttestToken | undefined;
  /** Does the collector know this node already? */
  readonly isKnown: (nodeId: string) => boolean;
  readonly clock: Pick<Clock, 'now'>;
  readonly log: Logger;
}

/** A request for a first certificate. Nothing of it is trusted before the token is checked. */
export interface EnrollRequest {
  readonly joinToken: string;
  readonly nodeId: string;
  readonly csr: string;
}

/** A request for a certificate, first or further, from an agent in a pod. */
export interface AttestRequest {
  /** Service-account token of the pod. */
  readonly token: string;
  readonly csr: string;
}

/** A request for another certificate, from a node that has shown one. */
export interface RenewRequest {
  /** From the verified certificate. */
  readonly node: NodeName;
  /** Start of the validity of that certificate, milliseconds since 1970. */
  readonly validFromMs: number;
  readonly csr: string;
}

/**
 * A certificate with the CAs that the node has to trust, or why there is none. `reason` is for the operator of the node; `detail` is
 * for the log of the collector, where it says more than an unknown sender may learn.
 */
export type EnrollmentResult =
  | { readonly ok: true; readonly certificatePem: string; readonly authorityPem: string }
  | {
      readonly ok: false;
      readonly code: 'invalid' | 'unauthorized' | 'nodeExists' | 'attestedOnly' | 'notConfigured' | 'unavailable';
      readonly reason: string;
      readonly detail?: string;
      /** The attested node, where it was refused in spite of that. */
      readonly nodeId?: string;
    };

/** Decides who gets which certificate. */
export interface Enrollment {
  /** Exchanges a join token for a certificate. The token is used up before the certificate is handed out. */
  readonly enroll: (request: EnrollRequest) => Promise<EnrollmentResult>;
  /** Exchanges the service-account token of a pod for a certificate of the node that the pod runs on. */
  readonly attest: (request: AttestRequest) => Promise<EnrollmentResult>;
  /** Issues a new certificate for the same host. Nodes of Kubernetes are attested again instead. */
  readonly renew: (request: RenewRequest) => Promise<EnrollmentResult>;
}

const REFUSALS: Readonly<Record<TokenRefusal, string>> = Object.freeze({
  unknown: 'the join token is not valid; create one with: plimsoll join-token create',
  expired: 'the join token has expired; create a new one with: plimsoll join-token create',
  used: 'the join token was used before; create a new one with: plimsoll join-token create',
  otherNode: 'the join token was created for another node',
});

const ATTEST = Object.freeze({
  unauthorized: 'the service-account token of this pod was not accepted; the log of the collector has the reason',
  unavailable: 'the collector could not ask the Kubernetes API server; its log has the reason',
});

function barred(nodeId: string): string {
  return `this node was revoked; to let it in again: plimsoll nodes readmit ${nodeId}`;
}

/**
 * Enrolment of one fleet. A certificate names the node that was verified, never what a signing request says. A join token
 * that names no node is good for a node that the collector does not know: it must not take over the identity of another.
 */
export function createEnrollment(options: EnrollmentOptions): Enrollment {
  const { issuer, trusted, tokens, revocations, attestToken, isKnown, clock, log } = options;
  const mutex = createMutex();
  const sign = async (csr: string, node: NodeName): Promise<EnrollmentResult> => {
    const { nodeId } = node;
    const revokedMs = revocations.all().find((entry) => entry.nodeId === nodeId)?.atMs ?? 0;
    try {
      // Validity starts in whole seconds: it must start after the revocation of the certificates before it.
      const issuedMs = Math.max(clock.now(), revokedMs + 1_000);
      const certificatePem = await signNodeRequest(csr, node, await issuer(), issuedMs);
      return { ok: true, certificatePem, authorityPem: trusted() };
    } catch (error) {
      if (error instanceof TlsError) return { ok: false, code: 'invalid', reason: error.message };
      throw error;
    }
  };
  const isTaken = (nodeId: string): boolean =>
    isKnown(nodeId) ||
    revocations.all().some((entry) => entry.nodeId === nodeId) ||
    tokens.all().some(({ usedBy }) => usedBy === nodeId);
  const enroll = async ({ joinToken, nodeId, csr }: EnrollRequest): Promise<EnrollmentResult> => {
    const token = tokens.check(joinToken, nodeId);
    if (typeof token === 'string') return { ok: false, code: 'unauthorized', reason: REFUSALS[token] };
    if (!isNodeId(nodeId))
      return { ok: false, code: 'invalid', reason: 'the node id has characters that are not allowed' };
    if (isNodeUid(nodeId))
      return { ok: false, code: 'invalid', reason: 'a node id of this form belongs to a Kubernetes node' };
    if (token.nodeId === '' && isTaken(nodeId))
      return {
        ok: false,
        code: 'nodeExists',
        reason: `the collector knows the node ${nodeId} already; create a token for it with: plimsoll join-token create --node ${nodeId}`,
      };
    const signed = await sign(csr, { nodeId, clusterId: '', nodeName: '' });
    if (!signed.ok) return signed;
    if (!(await tokens.use(token.id, nodeId))) return { ok: false, code: 'unauthorized', reason: REFUSALS.used };
    log.info({ nodeId, joinId: token.id }, 'a node was enrolled');
    return signed;
  };
  return {
    enroll: async (request) => {
      // One at a time: two tokens must not enrol two machines as one new node.
      const release = await mutex.acquire();
      try {
        return await enroll(request);
      } finally {
        release();
      }
    },
    attest: async ({ token, csr }) => {
      if (attestToken === undefined)
        return {
          ok: false,
          code: 'notConfigured',
          reason: 'this collector has no access to a Kubernetes API server; start it with --kubernetes',
        };
      const attested = await attestToken(token);
      if (!attested.ok)
        return { ok: false, code: attested.code, reason: ATTEST[attested.code], detail: attested.reason };
      const { pod, ...node } = attested.node;
      const { nodeId } = node;
      if (revocations.isBarred(nodeId)) return { ok: false, code: 'unauthorized', reason: barred(nodeId), nodeId };
      const signed = await sign(csr, node);
      if (!signed.ok) return { ...signed, nodeId };
      log.info({ ...node, pod }, 'a Kubernetes node was attested and got a certificate');
      return signed;
    },
    renew: async ({ node, validFromMs, csr }) => {
      const { nodeId } = node;
      if (node.clusterId !== '')
        return {
          ok: false,
          code: 'attestedOnly',
          reason: 'a Kubernetes node renews its certificate with the service-account token of its pod',
        };
      // Of a node that was revoked, a certificate that is not valid yet may be older than the revocation.
      const isFromAhead = validFromMs > clock.now() && revocations.all().some((entry) => entry.nodeId === nodeId);
      if (isFromAhead || revocations.isRevoked(nodeId, validFromMs))
        return { ok: false, code: 'unauthorized', reason: 'the certificate of this node was revoked' };
      const signed = await sign(csr, node);
      if (signed.ok) log.info({ nodeId }, 'a certificate was renewed');
      return signed;
    },
  };
}
