import { readFile } from 'node:fs/promises';
import type { Clock } from '../../service/clock.ts';
import type { Settings } from '../../service/config/settings.ts';
import { errorCode } from '../../service/files.ts';
import type { Logger } from '../../service/log.ts';
import { StartError } from '../start-error.ts';
import { getJson } from './https-json.ts';
import { createTokenVerifier } from './verify-token.ts';
import type { TokenVerifier } from './verify-token.ts';

/** The verifier that the settings describe; undefined: no issuer is configured. Throws StartError. Asks nobody yet. */
export async function openTokenVerifier(
  settings: Settings,
  { clock, log }: { readonly clock: Clock; readonly log: Logger },
): Promise<TokenVerifier | undefined> {
  const {
    oidcIssuer: issuer,
    oidcAudience: audience,
    oidcRoles: roles,
    oidcGroupsClaim: groupsClaim,
    oidcCa,
  } = settings;
  if (issuer === 'off') return undefined;
  const missing = audience === '' ? 'oidc-audience' : roles.length === 0 ? 'oidc-roles' : undefined;
  if (missing !== undefined)
    throw new StartError(
      'oidc',
      `oidc-issuer is set, but ${missing} is not`,
      'without an audience, tokens for other services would be accepted; without roles, nobody could do anything',
    );
  const ca = oidcCa === 'system' ? undefined : await readAuthorities(oidcCa);
  return createTokenVerifier({ issuer, audience, groupsClaim, roles, getJson: (url) => getJson(url, ca), clock, log });
}

async function readAuthorities(path: string): Promise<string> {
  try {
    const pem = await readFile(path, 'latin1');
    if (pem.includes('-----BEGIN CERTIFICATE-----')) return pem;
    throw new Error('it holds no certificate in PEM');
  } catch (error) {
    throw new StartError('oidc', `oidc-ca: ${path} cannot be used: ${errorCode(error)}`, 'name another file', error);
  }
}
