import { identity } from '../../api/access.ts';
import { dateTime } from '../../api/format.ts';
import { safe } from '../../api/safe.ts';
import * as s from '../../posture/schema.ts';
import { apiUrl } from '../../service/config/api-url.ts';
import { errorCode } from '../../service/files.ts';
import { createCliClient } from '../api/connect.ts';
import { trustApi } from '../api/trust-api.ts';
import { defineCommand, EXIT_OK } from '../command.ts';
import type { Context } from '../context.ts';
import { asTyped } from '../invocation.ts';
import type { Login } from '../login/login-file.ts';
import { printError, printFailure } from '../print-error.ts';

/** How long a person has to sign in. */
const SIGN_IN_MS = 10 * 60_000;

export const login = defineCommand({
  name: 'login',
  summary: 'sign in to a collector with your identity provider',
  usage: ['login [options]'],
  description: [
    'Signs in at the OpenID Connect issuer of the setting oidc-issuer: prints the address of a page to open in a browser on this machine, and waits for the browser to come back (authorization code flow with PKCE). With --device, the browser may be on another machine (device flow).',
    'The tokens are stored in the directory login-dir, readable by you only. Other commands use them for the same collector and renew them, unless --token-file is given. The collector decides by its settings oidc-audience and oidc-roles what you may do. plimsoll logout removes the tokens.',
  ],
  operands: { min: 0, max: 0 },
  options: [{ name: 'device', summary: 'sign in with a browser on another machine' }],
  settings: ['client', 'login'],
  examples: [
    {
      line: 'plimsoll login --oidc-issuer https://id.example.net --oidc-client-id cli',
      meaning: 'sign in; in a configuration file, these settings need no flags',
    },
    { line: 'plimsoll login --device', meaning: 'on a machine without a browser' },
    { line: 'plimsoll whoami', meaning: 'who you are, and what you may do' },
  ],
  run: async (context) => {
    const { settings } = context;
    const { oidcIssuer: issuer, oidcClientId, oidcAudience } = settings;
    const clientId = oidcClientId || oidcAudience;
    const missing = issuer === 'off' ? 'oidc-issuer' : clientId === '' ? 'oidc-client-id' : undefined;
    if (missing !== undefined)
      return printError(
        context,
        `${missing} is not set`,
        'name the issuer and the client: plimsoll login --oidc-issuer URL --oidc-client-id ID',
      );
    const stop = context.listenForShutdown();
    const signal = AbortSignal.any([stop, AbortSignal.timeout(SIGN_IN_MS)]);
    const [{ openBoundedFetch }, { describeProviderError, openProvider, toLogin }, flows] = await Promise.all([
      import('../login/bounded-fetch.ts'),
      import('../login/provider.ts'),
      import('../login/flows.ts'),
    ]);
    try {
      const fetch = await openBoundedFetch(settings.oidcCa, signal);
      // Before a person does anything: is there a collector at all?
      const trusted = await trustApi(settings);
      if (!trusted.ok) return await printFailure(context, trusted.problem);
      const health = await createCliClient({ settings, token: '', signal }).get('/healthz', s.object({}));
      if (!health.ok) return await printFailure(context, health.problem);
      const provider = await openProvider({ issuer, clientId, ca: settings.oidcCa, fetch });
      const signIn = context.args.has('device') ? flows.signInWithDevice : flows.signInWithBrowser;
      const tokens = await signIn(provider, {
        scopes: settings.oidcScopes,
        redirectPort: settings.oidcRedirectPort,
        show: (...lines) => context.stderr.write(`${lines.map(safe).join('\n')}\n`),
        signal,
      });
      return await keep(context, toLogin(tokens, provider, apiUrl(settings)));
    } catch (error) {
      if (stop.aborted) return printError(context, 'the sign-in was interrupted');
      if (signal.aborted) return printError(context, `nobody signed in within ${String(SIGN_IN_MS / 60_000)} minutes`);
      return printError(context, `the sign-in at ${issuer} failed: ${describeProviderError(error)}`);
    }
  },
});

/** Stores the sign-in if the collector accepts it. */
async function keep(context: Context, signedIn: Login): Promise<number> {
  const { settings, stdout, invocation } = context;
  const client = createCliClient({
    settings,
    token: signedIn.idToken,
    isLogin: true,
    signal: new AbortController().signal,
  });
  const answer = await client.get('/v1/identity', identity);
  if (!answer.ok) return printFailure(context, answer.problem);
  const { writeLogin } = await import('../login/login-file.ts');
  try {
    await writeLogin(settings.loginDir, signedIn);
  } catch (error) {
    return printError(
      context,
      `the tokens could not be stored in ${settings.loginDir}: ${errorCode(error)}`,
      'name another directory with --login-dir',
    );
  }
  const { name, role } = answer.value;
  const lifetime =
    signedIn.refreshToken === ''
      ? `until ${dateTime(signedIn.expiresMs)}`
      : 'until plimsoll logout; renewed when needed';
  await stdout.write(asTyped(`Signed in to ${signedIn.api} as ${safe(name)}: role ${role}, ${lifetime}\n`, invocation));
  return EXIT_OK;
}
