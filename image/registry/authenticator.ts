import * as s from '../../posture/schema.ts';
import { parseChallenges } from './auth-challenge.ts';
import type { AuthChallenge } from './auth-challenge.ts';
import type { CredentialLookup, CredentialSource, RegistryCredentials } from './credentials.ts';
import { readBody } from './http-exchange.ts';
import type { HttpTransport } from './http-exchange.ts';
import { registryFailure } from './registry-result.ts';
import type { RegistryFailure, RegistryResult } from './registry-result.ts';

/** The `Authorization` headers for one registry. Tokens are kept in memory until they expire. */
export interface Authenticator {
  /** The header that worked for the repository before, if it is still valid. */
  readonly known: (path: string) => string | undefined;
  /** Follows the challenge of a 401 response: undefined where it asks for nothing that we have. */
  readonly answer: (refusal: Refusal) => Promise<RegistryResult<Authorization | undefined>>;
}

/** An `Authorization` header. */
export interface Authorization {
  readonly header: string;
  /** Whether it comes from credentials that were found, or from a token for anyone. */
  readonly hasCredentials: boolean;
}

/** A 401 response to a question about a repository. */
export interface Refusal {
  readonly path: string;
  /** `WWW-Authenticate` of the response. */
  readonly challenge: string;
  readonly signal: AbortSignal;
}

/** What an authenticator needs. */
export interface AuthenticatorOptions {
  readonly transport: HttpTransport;
  /** Registry as in the reference: credentials are looked up by it. */
  readonly registry: string;
  /** Host name of the registry, without port. */
  readonly hostname: string;
  readonly credentials: CredentialSource;
  /** Further hosts whose token servers may get the credentials of this registry. */
  readonly tokenHosts: readonly string[];
  /** Milliseconds of a clock that never goes back. */
  readonly monotonic: () => number;
}

const MAX_TOKEN_RESPONSE_BYTES = 64 * 1024;
/** Lifetime where the token server states none (Docker token specification). */
const DEFAULT_TOKEN_SECONDS = 60;
const MAX_TOKEN_SECONDS = 3600;
/** A token is not used in the last part of its lifetime. */
const EXPIRY_MARGIN_MS = 10_000;
const MAX_KEPT = 256;

/** Token servers of registries that have them elsewhere, by registry host. */
const KNOWN_TOKEN_HOSTS: ReadonlyMap<string, string> = new Map([['registry-1.docker.io', 'auth.docker.io']]);

const tokenSchema = s.object({
  token: s.withDefault(s.string('', 32 * 1024), ''),
  access_token: s.withDefault(s.string('', 32 * 1024), ''),
  expires_in: s.withDefault(s.number(), DEFAULT_TOKEN_SECONDS),
});

/**
 * Basic authentication and the token authentication of the distribution project. We ask a token server for the right to
 * pull the repository, whatever scope the registry names. Credentials go to the registry itself and to a token server
 * on the same host, below the same parent domain, or named in `tokenHosts`; any other is asked without them.
 */
export function createAuthenticator(options: AuthenticatorOptions): Authenticator {
  const kept = new Map<string, { readonly header: string; readonly expiresAtMs: number }>();
  const keep = (path: string, header: string, lifetimeMs: number): void => {
    if (kept.size >= MAX_KEPT) kept.clear();
    kept.set(path, { header, expiresAtMs: options.monotonic() + lifetimeMs });
  };
  return {
    known: (path) => {
      const entry = kept.get(path);
      return entry !== undefined && entry.expiresAtMs > options.monotonic() ? entry.header : undefined;
    },
    answer: async ({ path, challenge, signal }) => {
      kept.delete(path);
      const found = options.credentials(options.registry, path);
      const challenges = parseChallenges(challenge);
      const bearer = challenges.find(({ scheme }) => scheme === 'bearer');
      if (bearer !== undefined) {
        const token = await fetchToken(options, { bearer, found, path, signal });
        if (!token.ok) return token;
        keep(path, token.value.header, token.value.lifetimeMs);
        return { ok: true, value: token.value };
      }
      const hasBasic = challenges.some(({ scheme }) => scheme === 'basic');
      if (found.state === 'unsupported') return registryFailure('unauthorized', found.reason);
      if (found.state === 'absent' || !hasBasic || found.credentials.kind !== 'password')
        return { ok: true, value: undefined };
      const header = basicHeader(found.credentials);
      keep(path, header, MAX_TOKEN_SECONDS * 1000);
      return { ok: true, value: { header, hasCredentials: true } };
    },
  };
}

interface TokenQuestion {
  readonly bearer: AuthChallenge;
  readonly found: CredentialLookup;
  readonly path: string;
  readonly signal: AbortSignal;
}

interface Token extends Authorization {
  readonly lifetimeMs: number;
}

async function fetchToken(
  options: AuthenticatorOptions,
  { bearer, found, path, signal }: TokenQuestion,
): Promise<RegistryResult<Token>> {
  const credentials = found.state === 'found' ? found.credentials : undefined;
  if (credentials?.kind === 'registryToken')
    return {
      ok: true,
      value: {
        header: `Bearer ${credentials.token}`,
        hasCredentials: true,
        lifetimeMs: MAX_TOKEN_SECONDS * 1000,
      },
    };
  const realm = parseRealm(bearer.parameters.get('realm') ?? '');
  if (realm === undefined) return registryFailure('malformed', 'the registry names no valid token server');
  const isTrusted = mayGetCredentials(realm, options);
  const scope = `repository:${path}:pull`;
  const service = bearer.parameters.get('service') ?? '';
  const sent = await options.transport.send(
    tokenRequest(realm, { scope, service, signal, credentials: isTrusted ? credentials : undefined }),
  );
  if (!sent.ok) return { ...sent, reason: `token server: ${sent.reason}` };
  const body = await readBody(sent.value, MAX_TOKEN_RESPONSE_BYTES, signal);
  if (!body.ok) return { ...body, reason: `token server: ${body.reason}` };
  if (sent.value.status !== 200) return refusedToken(sent.value.status, { found, isTrusted, realm });
  return parseToken(body.value, isTrusted && credentials !== undefined);
}

function refusedToken(
  status: number,
  { found, isTrusted, realm }: { readonly found: CredentialLookup; readonly isTrusted: boolean; readonly realm: URL },
): RegistryFailure {
  if (status === 429) return registryFailure('rateLimited', 'token server: HTTP 429');
  if (status >= 500) return registryFailure('unreachable', `token server: HTTP ${String(status)}`);
  if (status !== 401 && status !== 403 && status !== 400)
    return registryFailure('malformed', `token server: HTTP ${String(status)}`);
  if (found.state === 'unsupported') return registryFailure('unauthorized', found.reason);
  if (found.state === 'absent') return registryFailure('unauthorized', 'the registry needs credentials', 'login');
  if (!isTrusted)
    return registryFailure(
      'unauthorized',
      `the registry names a token server on another host, ${realm.hostname}, which gets no credentials unless it is allowed`,
    );
  return registryFailure('unauthorized', 'the token server refuses the credentials', 'login');
}

function parseRealm(text: string): URL | undefined {
  const url = text.length <= 2048 && URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol)) return undefined;
  return url.username === '' && url.password === '' ? url : undefined;
}

function mayGetCredentials(realm: URL, { hostname, tokenHosts }: AuthenticatorOptions): boolean {
  const host = realm.hostname;
  if (host === hostname || KNOWN_TOKEN_HOSTS.get(hostname) === host || tokenHosts.includes(host)) return true;
  // registry.gitlab.com and gitlab.com; never a parent of one label, and no addresses.
  const parent = hostname.slice(hostname.indexOf('.') + 1);
  const isDomain = /\.[a-z][a-z0-9-]*$/.test(parent);
  return isDomain && (host === parent || host.endsWith(`.${parent}`));
}

interface TokenParameters {
  readonly scope: string;
  readonly service: string;
  readonly signal: AbortSignal;
  readonly credentials: RegistryCredentials | undefined;
}

function tokenRequest(
  realm: URL,
  { scope, service, signal, credentials }: TokenParameters,
): Parameters<HttpTransport['send']>[0] {
  const accept = { accept: 'application/json' };
  if (credentials?.kind === 'identityToken') {
    const form = new URLSearchParams({
      grant_type: 'refresh_token',
      service,
      scope,
      client_id: 'plimsoll',
      refresh_token: credentials.token,
    });
    const headers = { ...accept, 'content-type': 'application/x-www-form-urlencoded' };
    return { method: 'POST', url: realm, headers, body: form.toString(), signal };
  }
  const url = new URL(realm);
  url.searchParams.set('scope', scope);
  if (service !== '') url.searchParams.set('service', service);
  const authorization = credentials?.kind === 'password' ? { authorization: basicHeader(credentials) } : {};
  return { method: 'GET', url, headers: { ...accept, ...authorization }, signal };
}

function parseToken(body: Buffer, hasCredentials: boolean): RegistryResult<Token> {
  let json: unknown;
  try {
    json = JSON.parse(body.toString('utf8'));
  } catch {
    json = undefined;
  }
  const parsed = tokenSchema.parse(json);
  const token = parsed.ok ? parsed.value.token || parsed.value.access_token : '';
  // What a header may hold (RFC 6750 b64token, and what token servers in use send).
  if (!parsed.ok || !/^[!-~]+$/.test(token))
    return registryFailure('malformed', 'the token server sends no token that the specification allows');
  const seconds = Math.min(Math.max(parsed.value.expires_in, 0), MAX_TOKEN_SECONDS);
  const lifetimeMs = seconds * 1000 - EXPIRY_MARGIN_MS;
  return { ok: true, value: { header: `Bearer ${token}`, hasCredentials, lifetimeMs } };
}

function basicHeader({ username, password }: Extract<RegistryCredentials, { kind: 'password' }>): string {
  return `Basic ${Buffer.from(`${username}:${password}`, 'utf8').toString('base64')}`;
}
