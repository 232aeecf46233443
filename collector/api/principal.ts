import type { Role, Scope } from '../../api/access.ts';

/** Who makes a request. */
export interface Principal {
  readonly kind: 'anonymous' | 'token' | 'oidc';
  /** Id of the operator token, or subject at the identity provider. */
  readonly id: string;
  /** For people. Text of an identity provider is untrusted. */
  readonly name: string;
  readonly role: Role;
  readonly scopes: readonly Scope[] | 'all';
  /** Signed in to the console, instead of presenting the credentials themselves. */
  readonly isSession: boolean;
  /** When the credentials end, wall clock; undefined: without limit. */
  readonly expiresMs: number | undefined;
}

/** Who has not authenticated: for routes that need nothing. */
export const ANONYMOUS: Principal = Object.freeze({
  kind: 'anonymous',
  id: '',
  name: '',
  role: 'viewer',
  scopes: [],
  isSession: false,
  expiresMs: undefined,
});

/** Holder of the token in the token file, which the collector creates at its first start. */
export const TOKEN_FILE: Principal = Object.freeze({
  kind: 'token',
  id: 'token-file',
  name: 'token file',
  role: 'admin',
  scopes: 'all',
  isSession: false,
  expiresMs: undefined,
});

/** The same for every request with these credentials, and for sessions that were opened with them. */
export function principalKey({ kind, id }: Pick<Principal, 'kind' | 'id'>): string {
  return `${kind}:${id}`;
}

/** For log lines and records: `ci (4k2j9x01ab)`. */
export function describePrincipal({ name, id }: Principal): string {
  return name === '' || name === id ? id : `${name} (${id})`;
}
