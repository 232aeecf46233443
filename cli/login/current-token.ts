import { join } from 'node:path';
import type { Result } from '../../api/client.ts';
import { apiUrl } from '../../service/config/api-url.ts';
import type { Settings } from '../../service/config/settings.ts';
import { readLogin, writeLogin } from './login-file.ts';
import type { Login } from './login-file.ts';

/** An ID token that ends within this time is refreshed. */
const REFRESH_BEFORE_MS = 60_000;

/** What decides which token is used. */
export type LoginSettings = Pick<Settings, 'api' | 'apiTls' | 'dataDir' | 'loginDir' | 'tokenFile'>;

/**
 * The token of the person who is signed in to the collector that the settings name, refreshed where it ends; undefined:
 * nobody is, or the settings name a token file. Never rejects.
 */
export async function currentToken(
  settings: LoginSettings,
  { nowMs, signal }: { readonly nowMs: number; readonly signal: AbortSignal },
): Promise<Result<string | undefined>> {
  if (settings.tokenFile !== join(settings.dataDir, 'operator-token')) return { ok: true, value: undefined };
  const stored = await readLogin(settings.loginDir, apiUrl(settings));
  if ('problem' in stored)
    return failed(
      `the sign-in in ${stored.path} is not used: ${stored.problem}`,
      'remove the file and sign in again: plimsoll login   or name a token file with --token-file',
    );
  const { login } = stored;
  if (login === undefined) return { ok: true, value: undefined };
  if (nowMs < login.expiresMs - REFRESH_BEFORE_MS) return { ok: true, value: login.idToken };
  const refreshed = await refresh(login, settings, signal);
  if (refreshed.ok || nowMs >= login.expiresMs) return refreshed;
  return { ok: true, value: login.idToken };
}

async function refresh(login: Login, { loginDir }: LoginSettings, signal: AbortSignal): Promise<Result<string>> {
  const { api, issuer } = login;
  if (login.refreshToken === '') return failed(`the sign-in to ${api} has ended`, SIGN_IN);
  const [{ openBoundedFetch }, { describeProviderError, openProvider, toLogin }, { refreshTokenGrant }] =
    await Promise.all([import('./bounded-fetch.ts'), import('./provider.ts'), import('openid-client')]);
  try {
    const provider = await openProvider({ ...login, fetch: await openBoundedFetch(login.ca, signal) });
    const renewed = toLogin(await refreshTokenGrant(provider.config, login.refreshToken), provider, api, login);
    await writeLogin(loginDir, renewed);
    return { ok: true, value: renewed.idToken };
  } catch (error) {
    // Another command may have used the refresh token at the same time: then its result is stored.
    const stored = await readLogin(loginDir, api);
    const other = 'login' in stored ? stored.login : undefined;
    if (other !== undefined && other.expiresMs > login.expiresMs) return { ok: true, value: other.idToken };
    return failed(`the sign-in to ${api} could not be renewed at ${issuer}: ${describeProviderError(error)}`, SIGN_IN);
  }
}

const SIGN_IN = 'sign in again: plimsoll login';

function failed(message: string, hint: string): Result<never> {
  return { ok: false, problem: { kind: 'refused', message, hint, retryAfterMs: 0 } };
}
