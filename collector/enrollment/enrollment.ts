import type { Clock } from '../../service/clock.ts';
import type { Logger } from '../../service/log.ts';
import type { Issuer } from '../../service/tls/issue.ts';
import { isNodeId } from '../../service/tls/issue.ts';
import { signNodeRequest } from '../../service/tls/signing-request.ts';
import { TlsError } from '../../service/tls/tls-error.ts';
import { createMutex } from '../session/mutex.ts';
import type { JoinTokens, TokenRefusal } from './join-tokens.ts';
import type { Revocations } from './revocations.ts';

/** What enrolment works with. */
export interface EnrollmentOptions {
  readonly issuer: Issuer;
  readonly tokens: JoinTokens;
  readonly revocations: Revocations;
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

/** A request for another certificate, from a node that has shown one. */
export interface RenewRequest {
  /** From the verified certificate. */
  readonly nodeId: string;
  /** Start of the validity of that certificate, milliseconds since 1970. */
  readonly validFromMs: number;
  readonly csr: string;
}

/** A certificate with the CA that signed it, or why there is none. `reason` is for the operator of the node. */
export type EnrollmentResult =
  | { readonly ok: true; readonly certificatePem: string; readonly authorityPem: string }
  | { readonly ok: false; readonly code: 'invalid' | 'unauthorized' | 'nodeExists'; readonly reason: string };

/** Decides who gets which certificate. */
export interface Enrollment {
  /** Exchanges a join token for a certificate. The token is used up before the certificate is handed out. */
  readonly enroll: (request: EnrollRequest) => Promise<EnrollmentResult>;
  /** Issues a new certificate for the same node. */
  readonly renew: (request: RenewRequest) => Promise<EnrollmentResult>;
}

const REFUSALS: Readonly<Record<TokenRefusal, string>> = Object.freeze({
  unknown: 'the join token is not valid; create one with: plimsoll join-token create',
  expired: 'the join token has expired; create a new one with: plimsoll join-token create',
  used: 'the join token was used before; create a new one with: plimsoll join-token create',
  otherNode: 'the join token was created for another node',
});

/**
 * Enrolment of one fleet. A certificate names the node that was verified, never what a signing request says. A join token
 * that names no node is good for a node that the collector does not know: it must not take over the identity of another.
 */
export function createEnrollment(options: EnrollmentOptions): Enrollment {
  const { issuer, tokens, revocations, isKnown, clock, log } = options;
  const mutex = createMutex();
  const sign = async (csr: string, nodeId: string): Promise<EnrollmentResult> => {
    const revokedMs = revocations.all().find((entry) => entry.nodeId === nodeId)?.atMs ?? 0;
    try {
      // Validity starts in whole seconds: it must start after the revocation of the certificates before it.
      const issuedMs = Math.max(clock.now(), revokedMs + 1_000);
      const certificatePem = await signNodeRequest(csr, nodeId, issuer, issuedMs);
      return { ok: true, certificatePem, authorityPem: issuer.certificatePem };
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
    if (token.nodeId === '' && isTaken(nodeId))
      return {
        ok: false,
        code: 'nodeExists',
        reason: `the collector knows the node ${nodeId} already; create a token for it with: plimsoll join-token create --node ${nodeId}`,
      };
    const signed = await sign(csr, nodeId);
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
    renew: async ({ nodeId, validFromMs, csr }) => {
      if (revocations.isRevoked(nodeId, validFromMs))
        return { ok: false, code: 'unauthorized', reason: 'the certificate of this node was revoked' };
      const signed = await sign(csr, nodeId);
      if (signed.ok) log.info({ nodeId }, 'a certificate was renewed');
      return signed;
    },
  };
}
