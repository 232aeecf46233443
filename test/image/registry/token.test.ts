import { createPrivateKey, X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { SignJWT } from 'jose';
import t from 'tap';
import type { Test } from 'tap';
import type { CredentialSource, RegistryCredentials } from '../../../image/registry/credentials.ts';
import { createRegistryClient } from '../../../image/registry/registry-client.ts';
import type { RegistryClient } from '../../../image/registry/registry-client.ts';
import type { RegistryOptions } from '../../../image/registry/registry-session.ts';
import { issueCertificate } from '../../../service/tls/issue.ts';
import { noRegistry, startRegistry } from '../../component/registry.ts';
import type { TestRegistry } from '../../component/registry.ts';

interface TokenQuestion {
  readonly method: string;
  readonly scope: string;
  readonly service: string;
  readonly authorization: string;
  readonly form: URLSearchParams;
}

/** A token server by the specification of the distribution project, whose tokens a real docker-registry accepts. */
interface TokenServer {
  readonly port: number;
  readonly asked: TokenQuestion[];
  readonly environment: Readonly<Record<string, string>>;
  /** What its next tokens are. */
  readonly behaviour: { seconds: number | undefined; field: 'token' | 'access_token'; body: string | undefined };
}

const PASSWORD: RegistryCredentials = { kind: 'password', username: 'user', password: 'pass' };
const BASIC = `Basic ${Buffer.from('user:pass').toString('base64')}`;

async function startTokenServer(t: Test, realmHost: string): Promise<TokenServer> {
  const directory = mkdtempSync(join(tmpdir(), 'plimsoll-token-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const authority = await issueCertificate({ kind: 'authority' }, undefined, Date.now());
  const leaf = await issueCertificate({ kind: 'server', names: ['localhost'] }, authority, Date.now());
  const bundle = join(directory, 'bundle.pem');
  writeFileSync(bundle, authority.certificatePem);
  const key = createPrivateKey(leaf.keyPem);
  const x5c = [new X509Certificate(leaf.certificatePem).raw.toString('base64')];
  const asked: TokenQuestion[] = [];
  const behaviour: TokenServer['behaviour'] = { seconds: undefined, field: 'token', body: undefined };
  const sign = (scope: string): Promise<string> => {
    const [type, name, actions] = scope.split(':');
    return new SignJWT({ access: [{ type, name, actions: actions?.split(',') }] })
      .setProtectedHeader({ alg: 'ES256', typ: 'JWT', x5c })
      .setIssuer('test-issuer')
      .setAudience('test-service')
      .setSubject('user')
      .setNotBefore('-1 minute')
      .setExpirationTime('5 minutes')
      .setJti(String(asked.length))
      .sign(key);
  };
  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      const { searchParams } = new URL(request.url ?? '', 'http://x');
      const form = new URLSearchParams(Buffer.concat(parts).toString());
      const question = {
        method: request.method ?? '',
        scope: searchParams.get('scope') ?? form.get('scope') ?? '',
        service: searchParams.get('service') ?? form.get('service') ?? '',
        authorization: request.headers.authorization ?? '',
        form,
      };
      asked.push(question);
      if (question.authorization !== BASIC && form.get('refresh_token') !== 'refresh')
        return void response.writeHead(401).end('{}');
      void sign(question.scope).then((token) =>
        response.end(behaviour.body ?? JSON.stringify({ [behaviour.field]: token, expires_in: behaviour.seconds })),
      );
      return undefined;
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '0.0.0.0', resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return {
    port,
    asked,
    behaviour,
    environment: {
      REGISTRY_AUTH_TOKEN_REALM: `http://${realmHost}:${String(port)}/token?given=1`,
      REGISTRY_AUTH_TOKEN_SERVICE: 'test-service',
      REGISTRY_AUTH_TOKEN_ISSUER: 'test-issuer',
      REGISTRY_AUTH_TOKEN_ROOTCERTBUNDLE: bundle,
    },
  };
}

function clientOf(
  t: Test,
  registry: TestRegistry,
  credentials: RegistryCredentials | undefined,
  options: Partial<RegistryOptions> = {},
): RegistryClient {
  const source: CredentialSource = () =>
    credentials === undefined ? { state: 'absent' } : { state: 'found', credentials };
  const client = createRegistryClient({ registry: registry.host, plainHttp: true, credentials: source, ...options });
  t.teardown(() => client.close());
  return client;
}

await t.test('tokens of a token server on the host of the registry', { skip: noRegistry }, async (t) => {
  const tokens = await startTokenServer(t, 'localhost');
  const { asked, behaviour } = tokens;
  const registry = await startRegistry(t, { environment: tokens.environment });
  const repository = { code: 'notFound', ok: false };

  const client = clientOf(t, registry, PASSWORD);
  t.match(await client.resolve('team/app', 'v1'), repository);
  t.match(asked, [{ method: 'GET', scope: 'repository:team/app:pull', service: 'test-service', authorization: BASIC }]);
  t.match(await client.tags('team/app'), repository);
  t.equal(asked.length, 1, 'a token is used again');
  t.match(await client.tags('team/other'), repository);
  t.match(asked[1], { scope: 'repository:team/other:pull' });

  t.match(await clientOf(t, registry, undefined).resolve('team/app', 'v1'), {
    code: 'unauthorized',
    reason: /needs credentials/,
  });
  t.match(asked.at(-1), { authorization: '' });
  t.match(await clientOf(t, registry, { ...PASSWORD, password: 'wrong' }).resolve('team/app', 'v1'), {
    code: 'unauthorized',
    reason: /refuses the credentials/,
  });

  behaviour.field = 'access_token';
  behaviour.seconds = 1;
  const short = clientOf(t, registry, { kind: 'identityToken', token: 'refresh' });
  t.match(await short.resolve('team/app', 'v1'), repository);
  const { method, form } = asked.at(-1) ?? { method: '', form: new URLSearchParams() };
  t.equal(method, 'POST');
  t.match(Object.fromEntries(form), { grant_type: 'refresh_token', refresh_token: 'refresh', client_id: 'plimsoll' });
  const before = asked.length;
  t.match(await short.resolve('team/app', 'v1'), repository);
  t.equal(asked.length, before + 1, 'a token that is about to expire is not used again');

  for (const body of [
    '',
    '{}',
    '{"token":""}',
    '{"token":"a b"}',
    '{"token":5}',
    JSON.stringify({ token: 'x\r\ny: z' }),
  ]) {
    behaviour.body = body;
    t.match(await clientOf(t, registry, PASSWORD).resolve('team/app', 'v1'), { ok: false, code: 'malformed' }, body);
  }
  behaviour.body = JSON.stringify({ token: 'x'.repeat(100_000) });
  t.match(await clientOf(t, registry, PASSWORD).resolve('team/app', 'v1'), { ok: false, code: 'tooLarge' });
  behaviour.body = JSON.stringify({ token: 'not-a-token' });
  t.match(await clientOf(t, registry, PASSWORD).resolve('team/app', 'v1'), { ok: false, code: 'unauthorized' });
});

const address = Object.values(networkInterfaces())
  .flat()
  .find((entry) => entry?.family === 'IPv4' && !entry.internal)?.address;
const noAddress = address === undefined ? 'no address beside loopback' : false;

await t.test(
  'a token server elsewhere gets the credentials only where it is allowed',
  { skip: noRegistry || noAddress },
  async (t) => {
    const tokens = await startTokenServer(t, address ?? '');
    const registry = await startRegistry(t, { environment: tokens.environment });
    t.match(await clientOf(t, registry, PASSWORD).resolve('team/app', 'v1'), {
      code: 'unauthorized',
      reason: /token server on another host/,
    });
    t.match(tokens.asked, [{ authorization: '' }]);
    const allowed = clientOf(t, registry, PASSWORD, { tokenHosts: [address ?? ''] });
    t.match(await allowed.resolve('team/app', 'v1'), { code: 'notFound' });
    t.match(tokens.asked.at(-1), { authorization: BASIC });
  },
);
