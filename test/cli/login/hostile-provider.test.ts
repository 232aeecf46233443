import { createServer } from 'node:https';
import type { ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { writeFileSync } from 'node:fs';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import t from 'tap';
import { openBoundedFetch } from '../../../cli/login/bounded-fetch.ts';
import { signInWithBrowser, signInWithDevice } from '../../../cli/login/flows.ts';
import { describeProviderError, openProvider, toLogin } from '../../../cli/login/provider.ts';
import { issueCertificate } from '../../../service/tls/issue.ts';
import { temporaryDirectory } from '../process.ts';
import { startProvider } from './provider.ts';

/** What the provider answers at the paths of its discovery document. */
type Answers = Readonly<Record<string, (response: ServerResponse, nonce: string) => unknown>>;

const authority = await issueCertificate({ kind: 'authority' }, undefined, Date.now());
const leaf = await issueCertificate({ kind: 'server', names: ['127.0.0.1'] }, authority, Date.now());
const { privateKey, publicKey } = await generateKeyPair('RS256');
let answers: Answers = {};
let nonce = '';
const server = createServer({ cert: leaf.certificatePem, key: leaf.keyPem }, (request, response) => {
  const answer = answers[request.url ?? ''];
  if (answer === undefined) response.writeHead(404).end();
  else answer(response, nonce);
});
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
t.teardown(() => {
  server.close();
  server.closeAllConnections();
});
const issuer = `https://127.0.0.1:${String((server.address() as AddressInfo).port)}`;
const caFile = join(temporaryDirectory(t), 'ca.pem');
writeFileSync(caFile, authority.certificatePem);
const signal = AbortSignal.timeout(300_000);

const json =
  (body: unknown, status = 200) =>
  (response: ServerResponse) =>
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
const DISCOVERY = {
  issuer,
  authorization_endpoint: `${issuer}/authorize`,
  token_endpoint: `${issuer}/token`,
  device_authorization_endpoint: `${issuer}/device`,
  jwks_uri: `${issuer}/keys`,
  response_types_supported: ['code'],
  id_token_signing_alg_values_supported: ['RS256'],
};
const token = (claims: Readonly<Record<string, unknown>>) => async (response: ServerResponse, expected: string) => {
  const seconds = Math.floor(Date.now() / 1000);
  const all = { iss: issuer, aud: 'plimsoll', sub: 'ann', iat: seconds, exp: seconds + 60, nonce: expected, ...claims };
  const idToken = await new SignJWT(all).setProtectedHeader({ alg: 'RS256', kid: 'k' }).sign(privateKey);
  json({ access_token: 'a', token_type: 'Bearer', expires_in: 60, id_token: idToken })(response);
};
const honest: Answers = {
  '/.well-known/openid-configuration': json(DISCOVERY),
  '/keys': json({ keys: [{ ...(await exportJWK(publicKey)), kid: 'k' }] }),
  '/token': token({}),
};

/** Signs in, with the browser coming back as `change` says; answers whom, or why not. */
async function attempt(over: Answers, change: (back: URL) => void = () => undefined): Promise<string> {
  answers = { ...honest, ...over };
  try {
    const provider = await openProvider({
      issuer,
      clientId: 'plimsoll',
      ca: caFile,
      fetch: await openBoundedFetch(caFile, signal),
    });
    const show = async (...lines: readonly string[]): Promise<void> => {
      const { searchParams } = new URL(lines.at(-1)?.trim() ?? '');
      nonce = searchParams.get('nonce') ?? '';
      const back = new URL(searchParams.get('redirect_uri') ?? '');
      back.searchParams.set('code', 'c');
      back.searchParams.set('state', searchParams.get('state') ?? '');
      change(back);
      await fetch(back);
    };
    const tokens = await signInWithBrowser(provider, { scopes: '', redirectPort: 0, show, signal });
    return toLogin(tokens, provider, 'http://127.0.0.1:1').subject;
  } catch (error) {
    return `failed: ${describeProviderError(error)}`;
  }
}

const endless = (response: ServerResponse): void => {
  response.writeHead(200, { 'content-type': 'application/json' });
  const write = (): void => {
    while (!response.destroyed && response.write(' '.repeat(65_536)));
  };
  response.on('drain', write);
  write();
};

await t.test('an honest provider, for comparison', async (t) => {
  t.equal(await attempt({}), 'ann');
});

await t.test('tokens and redirects that are not of this sign-in', async (t) => {
  const cases: Readonly<Record<string, Promise<string> | string>> = {
    'another nonce': await attempt({ '/token': token({ nonce: 'another' }) }),
    'no nonce': await attempt({ '/token': token({ nonce: undefined }) }),
    'a token for another client': await attempt({ '/token': token({ aud: 'other' }) }),
    'a token of another issuer': await attempt({ '/token': token({ iss: 'https://login.example.net' }) }),
    'a token that has ended': await attempt({ '/token': token({ exp: 1 }) }),
    'no ID token': await attempt({ '/token': json({ access_token: 'a', token_type: 'Bearer' }) }),
    'a redirect of another issuer (RFC 9207)': await attempt({}, (back) =>
      back.searchParams.set('iss', 'https://login.example.net'),
    ),
    'a redirect without issuer where one is promised': await attempt({
      '/.well-known/openid-configuration': json({ ...DISCOVERY, authorization_response_iss_parameter_supported: true }),
    }),
    'two codes': await attempt({}, (back) => back.searchParams.append('code', 'd')),
    'the discovery document of another issuer': await attempt({
      '/.well-known/openid-configuration': json({ ...DISCOVERY, issuer: 'https://login.example.net' }),
    }),
    'a page that is no link': await attempt({
      '/.well-known/openid-configuration': json({ ...DISCOVERY, authorization_endpoint: 'javascript:alert(1)' }),
    }),
    'codes sent in the clear': await attempt({
      '/.well-known/openid-configuration': json({ ...DISCOVERY, token_endpoint: issuer.replace('https', 'http') }),
    }),
    'an answer without end': await attempt({ '/token': endless }),
    'a discovery document without end': await attempt({ '/.well-known/openid-configuration': endless }),
    'a redirect to another server': await attempt({
      '/token': (response) => response.writeHead(307, { location: 'https://login.example.net/token' }).end(),
    }),
  };
  for (const [name, outcome] of Object.entries(cases)) t.match(await outcome, /^failed: ./, name);
  const refused = json({ error: 'access_denied', error_description: `\u001B[2J${'x'.repeat(5000)}` }, 400);
  t.ok((await attempt({ '/token': refused })).length < 400, 'what it says is cut');
});

await t.test('a code that was given to another client', async (t) => {
  const real = await startProvider(t);
  const file = join(temporaryDirectory(t), 'ca.pem');
  writeFileSync(file, real.ca);
  const boundedFetch = await openBoundedFetch(file, signal);
  const provider = await openProvider({ issuer: real.issuer, clientId: 'plimsoll', ca: file, fetch: boundedFetch });
  const show = async (...lines: readonly string[]): Promise<void> => {
    const page = new URL(lines.at(-1)?.trim() ?? '');
    page.searchParams.set('client_id', 'other');
    const back = await real.browse(page.href);
    if (back !== undefined) await fetch(back);
  };
  const signedIn = signInWithBrowser(provider, { scopes: '', redirectPort: 0, show, signal });
  t.equal(await signedIn.then(() => 'signed in', describeProviderError), 'invalid_grant: grant request is invalid');
});

await t.test('a device flow that asks for haste, for ever, or for nothing that is a link', async (t) => {
  const device = {
    device_code: 'd',
    user_code: 'U',
    verification_uri: `${issuer}/here`,
    expires_in: 1e9,
    interval: 0.01,
  };
  const start = async (over: object, until = signal) => {
    let polls = 0;
    const count = (response: ServerResponse): void => {
      polls += 1;
      json({ error: 'authorization_pending' }, 400)(response);
    };
    answers = { ...honest, '/device': json({ ...device, ...over }), '/token': count };
    const provider = await openProvider({
      issuer,
      clientId: 'plimsoll',
      ca: caFile,
      fetch: await openBoundedFetch(caFile, signal),
    });
    const options = { scopes: '', redirectPort: 0, show: () => Promise.resolve(), signal: until };
    const outcome = await signInWithDevice(provider, options).then(() => 'signed in', describeProviderError);
    return { outcome, polls };
  };
  const { polls } = await start({}, AbortSignal.timeout(1_500));
  t.ok(polls <= 2, `${String(polls)} requests in 1.5 s`);
  t.match((await start({ verification_uri: 'file:///etc/passwd' })).outcome, /not an https URL/);
  t.match((await start({ expires_in: -1 })).outcome, /./);
});
