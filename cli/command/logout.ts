import { apiUrl } from '../../service/config/api-url.ts';
import { errorCode } from '../../service/files.ts';
import { defineCommand, EXIT_OK } from '../command.ts';
import { readLogin, removeLogin } from '../login/login-file.ts';
import type { Login } from '../login/login-file.ts';
import { printError } from '../print-error.ts';

/** How long the issuer may take to revoke a token. */
const REVOKE_MS = 5_000;

export const logout = defineCommand({
  name: 'logout',
  summary: 'remove the tokens of plimsoll login',
  usage: ['logout [options]'],
  description: [
    'Removes the tokens for the collector that --api names, and revokes the refresh token at the issuer where it supports that. The collector cannot revoke an ID token: a copy of it is accepted until it ends.',
  ],
  operands: { min: 0, max: 0 },
  options: [],
  settings: ['client'],
  examples: [{ line: 'plimsoll logout', meaning: 'sign out' }],
  run: async (context) => {
    const { settings, stdout } = context;
    const api = apiUrl(settings);
    const stored = await readLogin(settings.loginDir, api);
    try {
      await removeLogin(settings.loginDir, api);
    } catch (error) {
      return printError(context, `the tokens in ${settings.loginDir} could not be removed: ${errorCode(error)}`);
    }
    if ('problem' in stored) {
      await stdout.write(`Removed tokens for ${api} that were not used: ${stored.problem}\n`);
      return EXIT_OK;
    }
    const { login } = stored;
    const failure = login === undefined || login.refreshToken === '' ? undefined : await revoke(login);
    await stdout.write(login === undefined ? `Not signed in to ${api}\n` : `Signed out of ${api}\n`);
    if (failure === undefined) return EXIT_OK;
    return printError(context, `the refresh token could not be revoked at ${login?.issuer ?? ''}: ${failure}`);
  },
});

/** Undefined: revoked, or the issuer revokes none; otherwise why not. */
async function revoke(login: Login): Promise<string | undefined> {
  const [{ openBoundedFetch }, { describeProviderError, openProvider }, { tokenRevocation }] = await Promise.all([
    import('../login/bounded-fetch.ts'),
    import('../login/provider.ts'),
    import('openid-client'),
  ]);
  try {
    const fetch = await openBoundedFetch(login.ca, AbortSignal.timeout(REVOKE_MS));
    const { config } = await openProvider({ ...login, fetch });
    if (config.serverMetadata().revocation_endpoint === undefined) return undefined;
    await tokenRevocation(config, login.refreshToken, { token_type_hint: 'refresh_token' });
    return undefined;
  } catch (error) {
    return describeProviderError(error);
  }
}
