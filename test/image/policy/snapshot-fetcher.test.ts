import { generateKeyPairSync } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import t from 'tap';
import type { Test } from 'tap';
import { runSnapshotFetcher } from '../../../image/policy/snapshot-fetcher.ts';
import { runAuthzFetch } from '../../../authz/fetch.ts';
import { runCollector } from '../../../collector/main.ts';
import { downloadSnapshot } from '../../../image/policy/snapshot-download.ts';
import { readSnapshot, writeSnapshot } from '../../../image/policy/snapshot-file.ts';
import type { SnapshotServer } from '../../../image/policy/snapshot-download.ts';
import { systemClock } from '../../../service/clock.ts';
import { parsePublicKeys, signDetached } from '../../../service/detached-signature.ts';
import type { LogFields } from '../../../service/log.ts';
import { issueCertificate } from '../../../service/tls/issue.ts';
import { temporaryDirectory } from '../../cli/process.ts';
import { NOW, policy } from '../../fixture/image-evidence.ts';
import { snapshotText } from '../../fixture/policy-snapshot.ts';
import { settingsWith } from '../../fixture/settings.ts';
import { DATABASE_WORKER } from '../../fixture/workers.ts';

const POLICY =
  'apiVersion: plimsoll.dev/v1\nkind: ImagePolicy\nmetadata: { name: shop }\nspec: { rules: [{ type: registry, allow: [registry.example.com/**] }] }\n---\napiVersion: plimsoll.dev/v1\nkind: ContainerPolicy\nmetadata: { name: hosts }\nspec: { allowHostNamespaces: [network] }\n';

const signer = generateKeyPairSync('ed25519');
const publicPem = signer.publicKey.export({ type: 'spki', format: 'pem' }).toString();

async function signed(version: number, key = signer.privateKey) {
  const head = { version, collector: 'test', issuedAt: NOW, tags: [] };
  const content = Buffer.from(snapshotText({ ...head, policies: [policy([])], images: [] }));
  return { content, signature: await signDetached(content, key) };
}

interface Fetcher {
  readonly directory: string;
  readonly logs: readonly string[];
  readonly version: () => Promise<number>;
}

function startFetcher(t: Test, server: SnapshotServer, keyFile: string): Fetcher {
  const directory = temporaryDirectory(t);
  const stop = new AbortController();
  const logs: string[] = [];
  const log = ({ reason }: LogFields): void => void logs.push(String(reason));
  const keys = parsePublicKeys(readFileSync(keyFile, 'utf8'));
  if (!keys.ok) throw new Error(keys.reason);
  let newest = 0;
  const options = { clock: systemClock(), signal: stop.signal };
  const version = async (): Promise<number> => {
    const read = await readSnapshot(directory, { keys: keys.keys, minVersion: 0 }, options);
    newest = read.ok ? Math.max(newest, read.snapshot.version) : newest;
    return read.ok ? read.snapshot.version : 0;
  };
  const running = runSnapshotFetcher({
    server,
    directory,
    keyFile,
    minVersion: () => newest,
    ...options,
    log: { debug: log, info: log, warn: log, error: log },
    fetchMs: 50,
  });
  t.teardown(async () => {
    stop.abort();
    await running;
  });
  return { directory, logs, version };
}

async function until(what: string, isTrue: () => boolean | Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 600; tries += 1) {
    if (await isTrue()) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`never: ${what}`);
}

void t.test('the snapshot of a real collector', async (t) => {
  const dataDir = temporaryDirectory(t);
  writeFileSync(join(dataDir, 'policy.yaml'), POLICY);
  const flags = {
    listen: '127.0.0.1:0',
    api: '127.0.0.1:0',
    'api-tls': 'on',
    'data-dir': join(dataDir, 'data'),
    policies: join(dataDir, 'policy.yaml'),
    'sink-ndjson': 'off',
  };
  const settings = await settingsWith('collector', flags);
  const stop = new AbortController();
  const { promise: ready, resolve } = Promise.withResolvers<{ readonly api: { readonly port: number } }>();
  const quiet = (): void => undefined;
  const running = runCollector({
    settings,
    version: '0.1.0',
    clock: systemClock(),
    log: { debug: quiet, info: quiet, warn: quiet, error: quiet },
    signal: stop.signal,
    onReady: resolve,
    databaseWorker: DATABASE_WORKER,
    inventoryWorker: new URL('../../../image/inventory/worker.ts', import.meta.url),
    standardOutput: process.stderr,
  });
  t.teardown(async () => {
    stop.abort();
    await running.catch(() => undefined);
  });
  const { api } = await Promise.race([ready, running.then(() => Promise.reject(new Error('ended')))]);
  const data = (name: string): string => join(dataDir, 'data', name);
  const key = data('policy-snapshot/key.pub');
  await until('the collector has a key', () => existsSync(key));
  const server = {
    address: { host: '127.0.0.1', port: api.port },
    ca: readFileSync(data('tls/ca.pem'), 'utf8'),
    tokenFile: data('operator-token'),
  };
  const fetcher = startFetcher(t, server, key);
  await until('a snapshot is stored', async () => (await fetcher.version()) > 0);
  const first = await downloadSnapshot(server, { etag: '', signal: stop.signal });
  if (!first.ok || first.snapshot === undefined) throw new Error(JSON.stringify(first));
  t.match(
    await downloadSnapshot(server, { etag: first.etag, signal: stop.signal }),
    { ok: true, snapshot: undefined },
    'unchanged',
  );
  writeFileSync(join(dataDir, 'token'), 'x'.repeat(43));
  t.match(await downloadSnapshot({ ...server, tokenFile: join(dataDir, 'token') }, { etag: '', signal: stop.signal }), {
    ok: false,
    reason: 'HTTP 401',
  });
  t.match(
    await downloadSnapshot({ ...server, ca: undefined }, { etag: '', signal: stop.signal }),
    { ok: false },
    'another authority',
  );
  // The program for Docker hosts: the same, and it starts only with a key that it can verify with.
  const directory = join(dataDir, 'policy');
  const hostFlags = {
    'policy-snapshot': directory,
    'policy-snapshot-collector': `127.0.0.1:${String(api.port)}`,
    'policy-snapshot-ca': data('tls/ca.pem'),
    'policy-snapshot-token-file': data('operator-token'),
  };
  const log = { debug: quiet, info: quiet, warn: quiet, error: quiet };
  const fetchWith = async (key: string, onReady: () => void): Promise<void> => {
    const settings = await settingsWith('authz', { ...hostFlags, 'policy-snapshot-key': key });
    return runAuthzFetch({ settings, clock: systemClock(), log, signal: stop.signal, onReady });
  };
  await t.rejects(fetchWith(join(dataDir, 'none.pub'), quiet), /policy-snapshot-key: .*does not exist/);
  const host = fetchWith(key, quiet);
  const keys = parsePublicKeys(readFileSync(key, 'utf8'));
  if (!keys.ok) throw new Error(keys.reason);
  const read = () =>
    readSnapshot(directory, { keys: keys.keys, minVersion: 0 }, { clock: systemClock(), signal: stop.signal });
  await until('the host has it', async () => (await read()).ok);
  t.match(await read(), { snapshot: { containerPolicies: [{ name: 'hosts', allowHostNamespaces: ['network'] }] } });
  stop.abort();
  await host;
});

void t.test('a hostile server changes nothing on disk', async (t) => {
  const authority = await issueCertificate({ kind: 'authority' }, undefined, Date.now());
  const leaf = await issueCertificate({ kind: 'server', names: ['127.0.0.1'] }, authority, Date.now());
  let respond: (request: IncomingMessage, response: ServerResponse) => void = (_request, response) =>
    void response.end();
  const listener = createServer({ cert: leaf.certificatePem, key: leaf.keyPem }, (request, response) =>
    respond(request, response),
  );
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    listener.closeAllConnections();
    listener.close();
  });
  const files = temporaryDirectory(t);
  const file = (name: string, text: string): string => {
    writeFileSync(join(files, name), text);
    return join(files, name);
  };
  const { port } = listener.address() as AddressInfo;
  const server = {
    address: { host: '127.0.0.1', port },
    ca: authority.certificatePem,
    tokenFile: file('token', 'secret-token\n'),
  };
  const fetcher = startFetcher(t, server, file('key.pub', publicPem));
  const good = await signed(5);
  await writeSnapshot(fetcher.directory, good);
  t.equal(await fetcher.version(), 5);
  const send =
    (content: Uint8Array, headers: Readonly<Record<string, string>>, status = 200) =>
    (_request: IncomingMessage, response: ServerResponse): void => {
      response.on('error', () => undefined);
      response.writeHead(status, headers).end(content);
    };
  const [older, forged] = [await signed(4), await signed(9, generateKeyPairSync('ed25519').privateKey)];
  for (const [what, answer] of [
    ['HTTP 302', send(Buffer.alloc(0), { location: 'https://evil.example/' }, 302)],
    ['the answer has no signature', send(good.content, {})],
    ['its version 4 is below 5, which was used before', send(older.content, { 'plimsoll-signature': older.signature })],
    ['its signature is not one of the collector', send(forged.content, { 'plimsoll-signature': forged.signature })],
    [
      'ERR_BUFFER_TOO_LARGE',
      send(gzipSync(Buffer.alloc(300 * 1024 * 1024)), { 'plimsoll-signature': 'AA==', 'content-encoding': 'gzip' }),
    ],
  ] as const) {
    respond = answer;
    await until(what, () => fetcher.logs.includes(what));
    t.equal(await fetcher.version(), 5, what);
  }
  t.notMatch(fetcher.logs.join('\n'), /secret-token/);
  const newer = await signed(6);
  respond = send(gzipSync(newer.content), {
    'plimsoll-signature': newer.signature,
    'content-encoding': 'gzip',
    etag: '"6"',
  });
  await until('a newer one is stored', async () => (await fetcher.version()) === 6);
});
