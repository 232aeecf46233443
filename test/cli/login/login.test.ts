import { spawn } from 'node:child_process';
import { chmodSync, readdirSync, readFileSync, renameSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import t from 'tap';
import { currentToken } from '../../../cli/login/current-token.ts';
import { readLogin, writeLogin } from '../../../cli/login/login-file.ts';
import type { Login } from '../../../cli/login/login-file.ts';
import { getJson } from '../../../collector/oidc/https-json.ts';
import { createTokenVerifier } from '../../../collector/oidc/verify-token.ts';
import { systemClock } from '../../../service/clock.ts';
import { recordingLog, startServer } from '../../collector/api/server.ts';
import { environmentOf, plimsoll, PROGRAM, temporaryDirectory } from '../process.ts';
import { startProvider } from './provider.ts';

const provider = await startProvider(t);
const directory = temporaryDirectory(t);
const loginDir = join(directory, 'login');
const caFile = join(directory, 'issuer.pem');
writeFileSync(caFile, provider.ca);
const server = await startServer(t, {
  oidc: createTokenVerifier({
    issuer: provider.issuer,
    audience: 'plimsoll',
    groupsClaim: 'groups',
    roles: [{ role: 'operator', group: 'sre' }],
    getJson: (url) => getJson(url, provider.ca),
    clock: systemClock(),
    log: recordingLog().log,
  }),
});
const api = `http://127.0.0.1:${String(server.port)}`;
const client = ['--api', `127.0.0.1:${String(server.port)}`, '--data-dir', directory, '--login-dir', loginDir];
const issuer = ['--oidc-issuer', provider.issuer, '--oidc-ca', caFile];

/** Runs `plimsoll login`, and `act` with what it tells a person to do, as soon as it does. */
async function login(args: readonly string[], act: (shown: string) => Promise<unknown>) {
  const child = spawn(process.execPath, [PROGRAM, 'login', ...client, ...issuer, ...args], { env: environmentOf() });
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  const shown = new Promise<void>((resolve) => {
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
      if (/https:\/\/\S+.*\n/.test(stderr)) resolve();
    });
  });
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  await Promise.race([shown, ended]);
  await act(stderr);
  return { code: await ended, stdout, stderr };
}

/** What the browser says to the program. */
function callBack(url: URL, headers: Readonly<Record<string, string>> = {}): Promise<number> {
  return new Promise((resolve, reject) => {
    request(url, { agent: false, headers }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    })
      .on('error', reject)
      .end();
  });
}

const pageIn = (shown: string): string => /https:\/\/\S+/.exec(shown)?.[0] ?? '';

await t.test('sign in with a browser, use it, renew it, sign out', async (t) => {
  const signedIn = await login(['--oidc-client-id', 'plimsoll'], async (shown) => {
    const page = new URL(pageIn(shown));
    t.match(Object.fromEntries(page.searchParams), { code_challenge_method: 'S256', scope: /\bgroups\b/ });
    const back = await provider.browse(page.href);
    if (back === undefined) throw new Error('the provider sends nobody back');
    const forged = new URL(back);
    forged.searchParams.set('state', 'x'.repeat(back.searchParams.get('state')?.length ?? 0));
    t.equal(await callBack(forged), 400, 'another state: the sign-in waits on');
    t.equal(await callBack(back, { host: 'rebound.example.net' }), 404, 'another name for 127.0.0.1');
    t.equal(await callBack(new URL('/callback', back)), 400);
    t.equal(await callBack(back), 200);
  });
  t.equal(signedIn.code, 0, signedIn.stderr);
  t.match(signedIn.stdout, `Signed in to ${api} as ann: role operator, until plimsoll logout; renewed when needed\n`);
  const [file = ''] = readdirSync(loginDir);
  t.equal(statSync(join(loginDir, file)).mode & 0o777, 0o600);
  t.equal(statSync(loginDir).mode & 0o777, 0o700);

  const who = await plimsoll(['whoami', ...client]);
  t.match(who, { code: 0, stdout: /^ann \(ann\): role operator; until / }, who.stderr);
  const stored = await readLogin(loginDir, api);
  if (!('login' in stored) || stored.login === undefined) throw new Error('nothing is stored');
  const { login: before } = stored;
  await writeLogin(loginDir, { ...before, expiresMs: Date.now() - 1 });
  t.match(await plimsoll(['findings', ...client]), { code: 0 });
  const renewed = await readLogin(loginDir, api);
  t.ok('login' in renewed && (renewed.login?.expiresMs ?? 0) > Date.now(), 'renewed');
  // Its text is the same if both were issued within one second.
  t.equal(provider.requests.filter((path) => path === '/token').length, 2, 'by the provider');

  const out = await plimsoll(['logout', ...client]);
  t.match(out, { code: 0, stdout: `Signed out of ${api}\n` }, out.stderr);
  t.ok(provider.requests.includes('/token/revocation'));
  t.same(readdirSync(loginDir), []);
  t.match(await plimsoll(['whoami', ...client]), { code: 2, stderr: /operator token could not be read/ });
  t.match(await plimsoll(['logout', ...client]), { code: 0, stdout: `Not signed in to ${api}\n` });
});

await t.test('sign in with a device', async (t) => {
  const signedIn = await login(['--device', '--oidc-client-id', 'plimsoll'], async (shown) => {
    const [, page = '', code = ''] = /(https:\/\/\S+) +(\S+)\n/.exec(shown) ?? [];
    await provider.browse(page, { user_code: code, confirm: 'yes' });
  });
  t.equal(signedIn.code, 0, signedIn.stderr);
  t.match(signedIn.stdout, /as ann: role operator/);
});

await t.test('who may not use the collector is not signed in', async (t) => {
  const refused = await login(['--oidc-client-id', 'other'], async (shown) => {
    const back = await provider.browse(pageIn(shown));
    if (back !== undefined) await callBack(back);
  });
  t.match(refused, { code: 2, stderr: /does not accept the token of plimsoll login.*aud/ }, 'another audience');
  const cases: readonly (readonly [args: readonly string[], stderr: RegExp])[] = [
    [[...client], /oidc-issuer is not set/],
    [[...client, ...issuer], /oidc-client-id is not set/],
    [
      [...client, '--oidc-issuer', provider.issuer, '--oidc-client-id', 'x'],
      /failed: .*(certificate|SELF_SIGNED|UNABLE)/i,
    ],
    [[...client.with(1, '127.0.0.1:9'), ...issuer, '--oidc-client-id', 'plimsoll'], /no collector answers/],
  ];
  const runs = await Promise.all(cases.map(([args]) => plimsoll(['login', ...args])));
  for (const [index, { code, stderr }] of runs.entries()) t.match([code, stderr], [2, cases[index]?.[1]]);
});

await t.test('a stored token that others could have read or written is not used', async (t) => {
  const own = join(directory, 'stored');
  const given = {
    api: { host: '127.0.0.1', port: server.port },
    apiTls: 'auto' as const,
    dataDir: directory,
    loginDir: own,
    tokenFile: join(directory, 'operator-token'),
  };
  const context = { nowMs: Date.now(), signal: new AbortController().signal };
  const login: Login = {
    api,
    issuer: provider.issuer,
    clientId: 'plimsoll',
    ca: caFile,
    subject: 'ann',
    idToken: 'a.b.c',
    refreshToken: '',
    expiresMs: context.nowMs + 3_600_000,
  };
  t.match(await currentToken(given, context), { ok: true, value: undefined });
  await writeLogin(own, login);
  t.match(await currentToken(given, context), { ok: true, value: 'a.b.c' });
  t.match(
    await currentToken({ ...given, tokenFile: '/other' }, context),
    { ok: true, value: undefined },
    '--token-file',
  );
  const elsewhere = { ...given, api: { host: '127.0.0.1', port: 1 } };
  t.match(await currentToken(elsewhere, context), { ok: true, value: undefined }, 'a token is for one collector');
  const [name = ''] = readdirSync(own);
  const path = join(own, name);

  chmodSync(path, 0o640);
  t.match(await currentToken(given, context), { ok: false, problem: { message: /other users can read it/ } });
  chmodSync(path, 0o600);
  const text = readFileSync(path, 'utf8');
  for (const damaged of ['', '[]', text.replace(api, 'http://127.0.0.1:1'), text.slice(0, 50)]) {
    writeFileSync(path, damaged);
    t.match(await currentToken(given, context), { ok: false, problem: { message: /damaged/ } });
  }
  writeFileSync(path, text);
  await writeLogin(own, { ...login, expiresMs: context.nowMs - 1 });
  t.match(await currentToken(given, context), { ok: false, problem: { message: /has ended/, hint: /plimsoll login/ } });
  await writeLogin(own, { ...login, refreshToken: 'secret-of-nobody', expiresMs: context.nowMs - 1 });
  const unknown = await currentToken(given, context);
  t.match(unknown, { ok: false, problem: { message: /could not be renewed at https:.*invalid_grant/ } });
  t.notMatch(JSON.stringify(unknown), /secret-of-nobody/);
  renameSync(path, join(directory, 'elsewhere.json'));
  symlinkSync(join(directory, 'elsewhere.json'), path);
  t.match(await currentToken(given, context), { ok: false, problem: { message: /ELOOP/ } }, 'a link');
});
