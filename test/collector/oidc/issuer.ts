import { createServer } from 'node:https';
import type { Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import type { CryptoKey, JWK } from 'jose';
import type { Test } from 'tap';
import { issueCertificate } from '../../../service/tls/issue.ts';

/** An identity provider on loopback: discovery document and JWKS over HTTPS, with keys of its own. */
export interface Issuer {
  readonly url: string;
  /** The authority that signed its certificate, in PEM. */
  readonly ca: string;
  readonly keys: Map<string, { readonly privateKey: CryptoKey; readonly publicJwk: JWK }>;
  /** Adds a key; its id is published from now on. */
  readonly addKey: (kid: string, algorithm?: string) => Promise<void>;
  /** A token for an hour, signed with the key `kid`. */
  readonly sign: (
    claims: Readonly<Record<string, unknown>>,
    header?: { readonly kid?: string; readonly alg?: string; readonly typ?: string },
  ) => Promise<string>;
  /** What it answers instead of its documents; `hang`: nothing. */
  readonly behaviour: { mode: 'ok' | 'hang' | 'error' | 'redirect' | 'huge' | 'otherIssuer' | 'notJson' };
  /** Requests so far, by path. */
  readonly requests: string[];
  readonly server: Server;
}

const ALGORITHM = 'ES256';

/** Starts one; it is gone when the test is over. `nowMs`: the time in its tokens. */
export async function startIssuer(t: Test, nowMs: () => number = () => Date.now()): Promise<Issuer> {
  const authority = await issueCertificate({ kind: 'authority' }, undefined, Date.now());
  const leaf = await issueCertificate({ kind: 'server', names: ['localhost', '127.0.0.1'] }, authority, Date.now());
  const keys: Issuer['keys'] = new Map();
  const behaviour: Issuer['behaviour'] = { mode: 'ok' };
  const requests: string[] = [];
  const server = createServer({ cert: leaf.certificatePem, key: leaf.keyPem }, (request, response) => {
    requests.push(request.url ?? '');
    const published = [...keys].map(([kid, { publicJwk }]) => Object.assign({ kid, use: 'sig' }, publicJwk));
    const document =
      request.url?.startsWith('/keys') === true ? { keys: published } : { issuer: url, jwks_uri: `${url}/keys` };
    switch (behaviour.mode) {
      case 'hang':
        return;
      case 'error':
        return void response.writeHead(500).end('{}');
      case 'redirect':
        return void response.writeHead(302, { location: `${url}/elsewhere` }).end();
      case 'huge':
        return void response.end(JSON.stringify({ ...document, filler: 'x'.repeat(2_000_000) }));
      case 'otherIssuer':
        return void response.end(JSON.stringify({ ...document, issuer: `${url}/other` }));
      case 'notJson':
        return void response.end('<html>');
      case 'ok':
        return void response.end(JSON.stringify(document));
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.close();
    server.closeAllConnections();
  });
  const url = `https://127.0.0.1:${String((server.address() as AddressInfo).port)}`;
  const addKey: Issuer['addKey'] = async (kid, algorithm = ALGORITHM) => {
    const pair = await generateKeyPair(algorithm, { extractable: true });
    keys.set(kid, { privateKey: pair.privateKey, publicJwk: await exportJWK(pair.publicKey) });
  };
  await addKey('first');
  return {
    url,
    ca: authority.certificatePem,
    keys,
    addKey,
    behaviour,
    requests,
    server,
    sign: async (claims, { kid = 'first', alg = ALGORITHM, typ = 'JWT' } = {}) => {
      const key = keys.get(kid)?.privateKey;
      if (key === undefined) throw new Error(`no key ${kid}`);
      const seconds = Math.floor(nowMs() / 1000);
      const all = { iss: url, aud: 'plimsoll', sub: 'u1', iat: seconds, exp: seconds + 3_600, ...claims };
      return new SignJWT(all).setProtectedHeader({ alg, kid, typ }).sign(key);
    },
  };
}
