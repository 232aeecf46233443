import type { Probe } from '../../posture/fact/listener.ts';
import type { TlsAttempt } from './tls-attempt.ts';

// Alerts with which a server refuses a client that showed no certificate (RFC 5246 section 7.2.2, RFC 8446 section 6.2).
const HANDSHAKE_FAILURE = 40;
const BAD_CERTIFICATE = 42;
const ACCESS_DENIED = 49;
const CERTIFICATE_REQUIRED = 116;
const REFUSALS: ReadonlySet<number | undefined> = new Set([HANDSHAKE_FAILURE, BAD_CERTIFICATE, ACCESS_DENIED]);

// A reverse proxy lets the handshake pass and refuses in HTTP; nginx does so with 400 and 496.
const HTTP_REFUSALS: ReadonlySet<number | undefined> = new Set([400, 401, 403, 495, 496]);

/** The answer of a server of HTTP/2. */
export const HTTP2_ANSWER = 'HTTP/2 settings';

/**
 * Is a client certificate required? From what clients without one met with, and from whether one was asked for at all.
 * The weakest answer decides: a door is as open as its widest gap.
 */
export function judgeAttempts(
  attempts: readonly TlsAttempt[],
  isRequested: boolean,
  path: string,
): Pick<Probe, 'clientCertificate' | 'answer'> {
  const isRefused = ({ status, alert }: TlsAttempt): boolean =>
    alert === CERTIFICATE_REQUIRED || (isRequested && (REFUSALS.has(alert) || HTTP_REFUSALS.has(status)));
  const letIn = attempts.find((attempt) => (attempt.status !== undefined || attempt.isHttp2) && !isRefused(attempt));
  if (letIn !== undefined) {
    return { clientCertificate: isRequested ? 'requested' : 'notRequested', answer: describe(letIn, path) };
  }
  const refused = attempts.find(isRefused);
  const unclear = attempts.find((attempt) => !isRefused(attempt));
  if (unclear !== undefined) return { clientCertificate: 'unknown', answer: describe(unclear, path) };
  if (refused !== undefined) return { clientCertificate: 'required', answer: describe(refused, path) };
  return { clientCertificate: 'unknown', answer: 'no version of TLS was accepted' };
}

function describe({ status, isHttp2, alert, end }: TlsAttempt, path: string): string {
  if (isHttp2) return HTTP2_ANSWER;
  if (status !== undefined) return `HTTP ${String(status)} from ${path}`;
  return (alert === undefined ? end : `alert ${String(alert)}`).slice(0, 256);
}
