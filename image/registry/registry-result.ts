/**
 * Why a registry gave no result. Closed list.
 * notFound: the registry says that there is no such repository, tag, manifest or blob · unauthorized: HTTP 401 or 403 ·
 * unreachable: no connection, a wrong certificate, a server error, or an address that is not allowed ·
 * digestMismatch: the content is not what its digest names · tooLarge: more bytes than allowed ·
 * malformed: the response, or what we were asked for, is not as the specification says ·
 * rateLimited: HTTP 429 · timeout: no complete response before the deadline
 */
export type RegistryErrorCode =
  'notFound' | 'unauthorized' | 'unreachable' | 'digestMismatch' | 'tooLarge' | 'malformed' | 'rateLimited' | 'timeout';

/**
 * How the user can mend the failure. trust: name the authority of the certificate · plainHttp: the server speaks HTTP
 * without TLS · login: name credentials, or others
 */
export type RegistryRemedy = 'trust' | 'plainHttp' | 'login';

/** A failure. `reason` is one clause for people, holds no secret and quotes no content of a response. */
export interface RegistryFailure {
  readonly ok: false;
  readonly code: RegistryErrorCode;
  readonly reason: string;
  /** With `rateLimited`: how long the registry asks to wait, at most one hour. */
  readonly retryAfterMs?: number;
  readonly remedy?: RegistryRemedy;
}

/** The outcome of a question to a registry. */
export type RegistryResult<T> = { readonly ok: true; readonly value: T } | RegistryFailure;

/** A failure with its code. */
export function registryFailure(code: RegistryErrorCode, reason: string, remedy?: RegistryRemedy): RegistryFailure {
  return { ok: false, code, reason, ...(remedy === undefined ? {} : { remedy }) };
}
