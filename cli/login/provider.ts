import * as client from 'openid-client';
import type { Login } from './login-file.ts';
import type { CustomFetch } from 'openid-client';

/** An identity provider, after its discovery document was read. */
export interface Provider {
  readonly config: client.Configuration;
  readonly issuer: string;
  readonly clientId: string;
  readonly ca: string;
}

/** How to reach an identity provider. */
export interface ProviderOptions {
  readonly issuer: string;
  readonly clientId: string;
  readonly ca: string;
  readonly fetch: CustomFetch;
}

/**
 * Reads the discovery document of an issuer (OpenID Connect Discovery 1.0), which must name the same issuer. Rejects
 * with an error for {@link describeProviderError}.
 */
export async function openProvider({ issuer, clientId, ca, fetch }: ProviderOptions): Promise<Provider> {
  const config = await client.discovery(new URL(issuer), clientId, undefined, client.None(), {
    [client.customFetch]: fetch,
  });
  if (config.serverMetadata().issuer !== issuer) throw new Error('the discovery document is of another issuer');
  return { config, issuer, clientId, ca };
}

const USUAL_SCOPES = ['profile', 'email', 'groups', 'offline_access'] as const;

/** The scopes to ask for: `wanted`, or where that is empty, the usual ones that the issuer lists. */
export function scopesOf({ config }: Provider, wanted: string): string {
  if (wanted !== '') return wanted;
  const listed = new Set(config.serverMetadata().scopes_supported ?? []);
  return ['openid', ...USUAL_SCOPES.filter((scope) => listed.has(scope))].join(' ');
}

/** What an issuer gives for a code or a refresh token. */
export type Tokens = client.TokenEndpointResponse & client.TokenEndpointResponseHelpers;

/**
 * The sign-in that the tokens are, to the operator API at `api`. `before`: the one that was refreshed, whose subject it
 * must have. Throws where there is no ID token, or one of another person.
 */
export function toLogin(tokens: Tokens, { issuer, clientId, ca }: Provider, api: string, before?: Login): Login {
  const claims = tokens.claims();
  if (claims === undefined || tokens.id_token === undefined)
    throw new Error('the identity provider gave no ID token; does oidc-scopes contain openid?');
  if (before !== undefined && claims.sub !== before.subject)
    throw new Error('the identity provider gave an ID token of another person');
  return {
    api,
    issuer,
    clientId,
    ca,
    subject: claims.sub,
    idToken: tokens.id_token,
    refreshToken: tokens.refresh_token ?? before?.refreshToken ?? '',
    expiresMs: claims.exp * 1000,
  };
}

/** Why the identity provider gave no token, for people; quotes no token and no code. */
export function describeProviderError(error: unknown): string {
  if (error instanceof client.ResponseBodyError || error instanceof client.AuthorizationResponseError) {
    const description = error.error_description ?? '';
    return `${error.error.slice(0, 100)}${description === '' ? '' : `: ${description.slice(0, 300)}`}`;
  }
  const cause = error instanceof client.ClientError && error.cause instanceof Error ? error.cause : error;
  return (cause instanceof Error ? cause.message : String(cause)).slice(0, 300);
}
