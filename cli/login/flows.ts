import * as client from 'openid-client';
import { scopesOf } from './provider.ts';
import type { Provider, Tokens } from './provider.ts';
import { openRedirectListener } from './redirect-listener.ts';

/** How a person signs in. */
export interface FlowOptions {
  /** Scopes to ask for; empty: the usual ones. */
  readonly scopes: string;
  readonly redirectPort: number;
  /** Shows a person what to do. */
  readonly show: (...lines: readonly string[]) => Promise<void>;
  /** Ends the attempt. */
  readonly signal: AbortSignal;
}

/** Bounds of what an issuer says about the device flow, in seconds. */
const [MIN_INTERVAL_S, MAX_INTERVAL_S, MAX_EXPIRY_S] = [1, 60, 1_800];

/**
 * Authorization code flow with PKCE in a browser of this machine, which the issuer sends back to 127.0.0.1. Rejects
 * with an error for `describeProviderError`, or with the reason of `signal`.
 */
export async function signInWithBrowser(provider: Provider, options: FlowOptions): Promise<Tokens> {
  const { config } = provider;
  requireHttps(config.serverMetadata().authorization_endpoint, 'authorization_endpoint');
  const [state, nonce, verifier] = [client.randomState(), client.randomNonce(), client.randomPKCECodeVerifier()];
  const listener = await openRedirectListener({ port: options.redirectPort, state, signal: options.signal });
  try {
    const page = client.buildAuthorizationUrl(config, {
      redirect_uri: listener.redirectUri,
      scope: scopesOf(provider, options.scopes),
      state,
      nonce,
      code_challenge: await client.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
    });
    await options.show('Open this page in a browser on this machine (elsewhere: --device):', `  ${page.href}`);
    const redirect = await listener.redirect;
    return await client.authorizationCodeGrant(config, redirect, {
      pkceCodeVerifier: verifier,
      expectedState: state,
      expectedNonce: nonce,
      idTokenExpected: true,
    });
  } finally {
    listener.close();
  }
}

/** Device flow (RFC 8628): the browser may be on another machine. Rejects as the other flow does. */
export async function signInWithDevice(provider: Provider, options: FlowOptions): Promise<Tokens> {
  const { config } = provider;
  const device = await client.initiateDeviceAuthorization(config, { scope: scopesOf(provider, options.scopes) });
  requireHttps(device.verification_uri, 'verification_uri');
  await options.show(
    'Open this page in any browser, and enter the code:',
    `  ${device.verification_uri}   ${device.user_code}`,
  );
  const bounded = {
    ...device,
    interval: Math.min(Math.max(device.interval ?? 5, MIN_INTERVAL_S), MAX_INTERVAL_S),
    expires_in: Math.min(device.expires_in, MAX_EXPIRY_S),
  };
  return client.pollDeviceAuthorizationGrant(config, bounded, undefined, { signal: options.signal });
}

/** A link that a person is to open. Throws where an issuer names anything else. */
function requireHttps(url: string | undefined, name: string): void {
  if (url === undefined) throw new Error(`the identity provider has no ${name}`);
  if (URL.parse(url)?.protocol !== 'https:') throw new Error(`${name} of the identity provider is not an https URL`);
}
