/**
 * Why a collector cannot start. Closed list. address: the system refuses an address to listen on · directory: the data
 * directory cannot be made or used · token: the operator token cannot be read or is not safe · oidc: the tokens of an
 * identity provider are not configured correctly · checks: a file with custom checks is wrong · sink: the filter or the redaction of a sink is wrong. Keys, the store and the access to Kubernetes have errors of their own.
 */
export type StartErrorCode = 'address' | 'directory' | 'token' | 'oidc' | 'checks' | 'sink';

/** A collector cannot start; the message says what was being done, `hint` what to do about it. */
export class StartError extends Error {
  override readonly name = 'StartError';
  readonly code: StartErrorCode;
  readonly hint: string;

  constructor(code: StartErrorCode, message: string, hint: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.hint = hint;
  }
}

/** What the system said about an address that could not be listened on. `setting` names it. */
export function addressError(address: string, setting: string, cause: unknown): StartError {
  const code = cause instanceof Error ? (cause as NodeJS.ErrnoException).code : undefined;
  const reason = REASONS[code ?? ''] ?? (cause instanceof Error ? cause.message : String(cause));
  return new StartError(
    'address',
    `cannot listen on ${address}: ${reason}`,
    `end what listens there, or choose another address: --${setting} HOST:PORT`,
    cause,
  );
}

const REASONS: Readonly<Record<string, string>> = Object.freeze({
  EADDRINUSE: 'another program listens there already',
  EACCES: 'this user may not (ports below 1024 are for root)',
  EADDRNOTAVAIL: 'this machine has no such address',
  ENOTFOUND: 'there is no machine with this name',
});
