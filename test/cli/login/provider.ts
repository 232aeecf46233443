import { createServer, request } from 'node:https';
import type { IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair } from 'jose';
import { Provider } from 'oidc-provider';
import type { Configuration } from 'oidc-provider';
import type { Test } from 'tap';
import { issueCertificate } from '../../../service/tls/issue.ts';

/** A real identity provider on loopback, where everybody who comes is signed in as `ann` of the group `sre`. */
export interface TestProvider {
  readonly issuer: string;
  /** The authority that signed its certificate, in PEM. */
  readonly ca: string;
  /** Goes to a page as a browser does, and submits the forms on it; resolves to where it is sent that is not here. */
  readonly browse: (page: string, fields?: Readonly<Record<string, string>>) => Promise<URL | undefined>;
  /** Paths of requests so far. */
  readonly requests: readonly string[];
}

const SCOPES = 'openid profile groups offline_access';
const MAX_STEPS = 20;

/** Starts one with the clients `plimsoll` and `other`; it is gone when the test is over. */
export async function startProvider(t: Test): Promise<TestProvider> {
  const authority = await issueCertificate({ kind: 'authority' }, undefined, Date.now());
  const leaf = await issueCertificate({ kind: 'server', names: ['localhost', '127.0.0.1'] }, authority, Date.now());
  const server = createServer({ cert: leaf.certificatePem, key: leaf.keyPem });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.close();
    server.closeAllConnections();
  });
  const issuer = `https://127.0.0.1:${String((server.address() as AddressInfo).port)}`;
  const { privateKey } = await generateKeyPair('RS256', { extractable: true });
  const provider = new Provider(issuer, { ...CONFIGURATION, jwks: { keys: [await exportJWK(privateKey)] } });
  const handle = provider.callback();
  const requests: string[] = [];
  server.on('request', (message, response) => {
    requests.push(message.url ?? '');
    if (message.url?.startsWith('/interaction/') !== true) return void handle(message, response);
    void provider.interactionFinished(message, response, { login: { accountId: 'ann' }, consent: {} });
  });
  return {
    issuer,
    ca: authority.certificatePem,
    browse: (page, fields = {}) => browse(page, { issuer, ca: authority.certificatePem, fields }),
    requests,
  };
}

const client = (id: string) => ({
  client_id: id,
  application_type: 'native' as const,
  token_endpoint_auth_method: 'none' as const,
  redirect_uris: ['http://127.0.0.1/callback'],
  response_types: ['code' as const],
  grant_types: ['authorization_code', 'refresh_token', 'urn:ietf:params:oauth:grant-type:device_code'],
});

const CONFIGURATION: Configuration = {
  clients: [client('plimsoll'), client('other')],
  scopes: SCOPES.split(' '),
  claims: { openid: ['sub'], profile: ['preferred_username'], groups: ['groups'] },
  conformIdTokenClaims: false,
  features: {
    deviceFlow: { enabled: true },
    devInteractions: { enabled: false },
    revocation: { enabled: true },
  },
  cookies: { keys: ['a key of the test'] },
  interactions: { url: (_context, { uid }) => `/interaction/${uid}` },
  issueRefreshToken: () => true,
  findAccount: (_context, accountId) => ({
    accountId,
    claims: () => ({ sub: accountId, preferred_username: accountId, groups: ['sre'] }),
  }),
  // Everybody has agreed to everything.
  loadExistingGrant: async ({ oidc }) => {
    const grant = new oidc.provider.Grant({
      clientId: oidc.client?.clientId ?? '',
      accountId: oidc.session?.accountId ?? '',
    });
    grant.addOIDCScope(SCOPES);
    await grant.save();
    return grant;
  },
};

interface Browsing {
  readonly issuer: string;
  readonly ca: string;
  readonly fields: Readonly<Record<string, string>>;
}

async function browse(page: string, { issuer, ca, fields }: Browsing): Promise<URL | undefined> {
  const cookies = new Map<string, string>();
  let [url, form]: [URL, URLSearchParams | undefined] = [new URL(page), undefined];
  for (let step = 0; step < MAX_STEPS; step += 1) {
    if (url.origin !== issuer) return url;
    const { response, text } = await load(url, { ca, cookies, form });
    const { location } = response.headers;
    form = undefined;
    if (location !== undefined) url = new URL(location, url);
    else {
      const inputs = [...text.matchAll(/<input[^>]* name="(\w+)"(?:[^>]* value="([^"]*)")?/g)];
      const action = /<form[^>]* action="([^"]+)"/.exec(text)?.[1];
      if (action === undefined) return undefined;
      url = new URL(action, url);
      form = new URLSearchParams(inputs.map(([, name = '', value = '']) => [name, value] as [string, string]));
      for (const [name, value] of Object.entries(fields)) form.set(name, value);
    }
  }
  throw new Error('the provider sends a browser round and round');
}

async function load(
  url: URL,
  { ca, cookies, form }: { ca: string; cookies: Map<string, string>; form: URLSearchParams | undefined },
): Promise<{ readonly response: IncomingMessage; readonly text: string }> {
  const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ');
  const type = form === undefined ? {} : { 'content-type': 'application/x-www-form-urlencoded' };
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    request(
      url,
      { ca, agent: false, method: form === undefined ? 'GET' : 'POST', headers: { cookie, ...type } },
      resolve,
    )
      .on('error', reject)
      .end(form?.toString());
  });
  for (const line of response.headers['set-cookie'] ?? []) {
    const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
    cookies.set(name, value);
  }
  const parts: Buffer[] = [];
  for await (const part of response as AsyncIterable<Buffer>) parts.push(part);
  return { response, text: Buffer.concat(parts).toString('utf8') };
}
