import { spawn, spawnSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { chmodSync, existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import type { Test } from 'tap';
import { runAuthz } from '../../authz/main.ts';
import { writeSnapshot } from '../../image/policy/snapshot-file.ts';
import { parseContainerPolicy } from '../../policy/docker/container-policy.ts';
import { parsePolicy } from '../../policy/image-policy.ts';
import { redactJson } from '../../posture/redaction/redact.ts';
import { ROOT } from '../../scripts/setup.mjs';
import { systemClock } from '../../service/clock.ts';
import { signDetached } from '../../service/detached-signature.ts';
import { createLogger } from '../../service/pino-log.ts';
import { settingsWith } from '../fixture/settings.ts';
import { snapshotText } from '../fixture/policy-snapshot.ts';
import { environmentOf, plimsoll, PROGRAM } from '../cli/process.ts';
import { clientOf, privateDirectory, writePolicy } from './rig.ts';
import type { Response } from './rig.ts';

const CREATE = '/v1.45/containers/create';

interface Rig {
  readonly directory: string;
  readonly socket: string;
  readonly send: ReturnType<typeof clientOf>;
  readonly start: (flags?: Readonly<Record<string, string>>) => Promise<Running>;
}

/** The program within this process: it starts at once, and a test does not wait for a process. */
interface Running {
  readonly logged: () => string;
  readonly stop: () => Promise<void>;
}

async function startHere(flags: Readonly<Record<string, string>>): Promise<Running> {
  let logged = '';
  const destination = { write: (line: string) => void (logged += line) };
  const log = await createLogger({ level: 'info', format: 'json', destination, redact: redactJson });
  const settings = await settingsWith('authz', flags);
  const stop = new AbortController();
  const ready = Promise.withResolvers<void>();
  const common = { settings, version: '0.0.0', environment: {}, clock: systemClock(), log, signal: stop.signal };
  const ended = runAuthz({ ...common, onReady: ready.resolve });
  await Promise.race([ready.promise, ended]);
  const end = (): Promise<void> => {
    stop.abort();
    return ended;
  };
  return { logged: () => logged, stop: end };
}

function rigFor(t: Test): Rig {
  const { path: directory, remove } = privateDirectory();
  const socket = join(directory, 'plugin.sock');
  const plugins: Running[] = [];
  t.teardown(async () => {
    await Promise.all(plugins.map(({ stop }) => stop()));
    remove();
  });
  const start: Rig['start'] = async (flags = {}) => {
    const plugin = await startHere({ 'plugin-socket': socket, ...flags });
    plugins.push(plugin);
    return plugin;
  };
  return { directory, socket, send: clientOf(socket), start };
}

/** Asks as dockerd does: no Content-Type, the body in base64. */
async function ask(
  { send }: Rig,
  body: { readonly Image?: string; readonly HostConfig?: object } | undefined,
  target = CREATE,
  method = 'POST',
): Promise<Answer> {
  // A host with cgroup v1 needs the mode.
  const HostConfig = { CgroupnsMode: 'private', ...body?.HostConfig };
  const bytes = body === undefined ? undefined : Buffer.from(JSON.stringify({ ...body, HostConfig }));
  const message = {
    RequestMethod: method,
    RequestUri: target,
    RequestHeaders: { 'Content-Length': String(bytes?.length ?? 0) },
    ...(bytes === undefined ? {} : { RequestBody: bytes.toString('base64') }),
  };
  const response = await send({ target: '/AuthZPlugin.AuthZReq', body: message, headers: { 'Content-Type': [] } });
  return JSON.parse(response.text) as Answer;
}

interface Answer {
  readonly Allow: boolean;
  readonly Msg: string;
}

/** Waits until `condition` holds. */
async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 150; tries += 1) {
    if (await condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error('it did not happen within 15 s');
}

const PRIVILEGED = { Image: 'a', HostConfig: { Privileged: true } };

t.test('the protocol; whatever is wrong is a refusal in time', async (t) => {
  const rig = rigFor(t);
  const plugin = await rig.start();
  const { send, socket } = rig;
  t.strictSame(JSON.parse((await send({ target: '/Plugin.Activate' })).text), { Implements: ['authz'] });
  t.match(JSON.parse((await send({ target: '/AuthZPlugin.AuthZRes', body: {} })).text), { Allow: true });
  t.match(await send({ target: '/other' }), { status: 404 });
  t.match(await ask(rig, { Image: 'a' }), { Allow: true, Msg: '' });
  t.match(await ask(rig, PRIVILEGED), { Allow: false, Msg: /HostConfig\.Privileged: privileged is not allowed/ });
  t.match(await ask(rig, undefined, '/info', 'GET'), { Allow: true });
  for (const body of ['', 'x', '[]', '{}', '{"RequestMethod":1}', 'x'.repeat(9 * 1024 * 1024)]) {
    const { status, text }: Response = await send({ target: '/AuthZPlugin.AuthZReq', body });
    t.match(JSON.parse(text), { Allow: false, Msg: /^plimsoll: / }, body.slice(0, 20));
    t.equal(status, 200, 'any other status tells the client that something is broken');
  }
  // A message that never ends.
  const startedMs = performance.now();
  const half = await new Promise<string>((resolve) => {
    const slow = connect(socket);
    let text = '';
    slow.setEncoding('utf8').on('data', (part: string) => (text += part));
    slow.on('close', () => resolve(text));
    slow.write('POST /AuthZPlugin.AuthZReq HTTP/1.1\r\nHost: plugin\r\nContent-Length: 100\r\n\r\n{"Request');
  });
  t.match(half, /^HTTP\/1\.1 200 OK[^]*"Allow":false/);
  const tookMs = performance.now() - startedMs;
  t.ok(tookMs > 1500 && tookMs < 20_000, `${String(tookMs)} ms`);
  // Messages of the largest size, which do not end: the largest makes room.
  const size = 8 * 1024 * 1024;
  const held = await Promise.all(
    Array.from({ length: 9 }, async () => {
      const one = connect(socket).on('error', () => undefined);
      one.write(`POST /AuthZPlugin.AuthZReq HTTP/1.1\r\nHost: plugin\r\nContent-Length: ${String(size)}\r\n\r\n`);
      await new Promise((resolve) => one.write(Buffer.alloc(size - 1, 0x20), resolve));
      return one;
    }),
  );
  t.match(await ask(rig, { Image: 'a' }), { Allow: true }, 'a small one is answered');
  for (const one of held) one.destroy();
  t.match(await ask(rig, { Image: 'a' }), { Allow: true }, 'it goes on');
  t.equal(statSync(socket).mode & 0o777, 0o600, 'only root can ask');
  await plugin.stop();
});

t.test('policies are read again; wrong ones change nothing', async (t) => {
  const rig = rigFor(t);
  const path = writePolicy(rig.directory, '{ mode: enforce }', 'one');
  chmodSync(path, 0o666);
  const plugin = await rig.start({ 'container-policy': path });
  t.match(await ask(rig, { Image: 'a' }), { Allow: false, Msg: /can be changed by users other than root/ });
  t.match(await ask(rig, undefined, '/info', 'GET'), { Allow: true }, 'reads work without a usable policy');
  chmodSync(path, 0o644);
  await until(async () => (await ask(rig, { Image: 'a' })).Allow);
  t.match(await ask(rig, PRIVILEGED), { Allow: false });
  writePolicy(rig.directory, '{ allowPrivileged: true }', 'one');
  await until(async () => (await ask(rig, PRIVILEGED)).Allow);
  writeFileSync(path, 'kind: ContainerPolicy\nspec: {');
  await until(() => plugin.logged().includes('the policies are wrong'));
  t.match(await ask(rig, PRIVILEGED), { Allow: true }, 'the policy before stays in force');
  t.match(await plimsoll(['authz', 'check', path]), { code: 1, stderr: /one\.yaml: line 2/ });
  writePolicy(rig.directory, '{ mode: warn }', 'one');
  t.match(await plimsoll(['authz', 'check', path, '-o', 'name']), { code: 0, stdout: 'one\n' });
  writePolicy(rig.directory, '{ mode: warn }', 'two');
  t.match(await plimsoll(['authz', 'check', rig.directory]), { code: 1, stderr: /two conflicts with one/ });
  t.match(await plimsoll(['authz', 'chek']), { code: 2, stderr: /unknown action/ });
});

t.test('images are judged by the signed snapshot, which never goes back', async (t) => {
  const rig = rigFor(t);
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const keyFile = join(rig.directory, 'key.pub');
  writeFileSync(keyFile, publicKey.export({ type: 'spki', format: 'pem' }));
  const policy = parsePolicy({
    value: {
      apiVersion: 'plimsoll.dev/v1',
      kind: 'ImagePolicy',
      metadata: { name: 'all' },
      spec: {
        rules: [
          { type: 'registry', allow: ['registry.example.com/**'] },
          { type: 'scan', maxAge: '3d' },
        ],
      },
    },
    source: 'test',
  });
  if (!policy.ok) throw new Error(policy.problem);
  const good = `registry.example.com/app@sha256:${'a'.repeat(64)}`;
  const publish = async (version: number, key = privateKey): Promise<void> => {
    const issuedAt = Date.now();
    const judged = { judgedAt: issuedAt, scannedAt: issuedAt, databaseBuiltAt: null };
    const nothing = { reasons: [], omitted: { enforce: 0, warn: 0, observe: 0 }, suppressed: [], omittedSuppressed: 0 };
    const verdict = { policy: 'all', repository: null, ...nothing, validUntil: {} };
    const images = [{ digests: [`sha256:${'a'.repeat(64)}`], ...judged, verdicts: [verdict] }];
    const policies = [policy.value];
    const text = snapshotText({ version, collector: 'c', issuedAt, tags: [], policies, images });
    const content = Buffer.from(text);
    await writeSnapshot(rig.directory, { content, signature: await signDetached(content, key) });
  };
  const state = join(rig.directory, 'state');
  const flags = { 'policy-snapshot': rig.directory, 'policy-snapshot-key': keyFile, 'data-dir': state };
  let plugin = await rig.start(flags);
  t.match(await ask(rig, { Image: good }), { Allow: false, Msg: /no usable policy snapshot/ });
  await publish(5);
  await until(async () => (await ask(rig, { Image: good })).Allow);
  const refused: readonly (readonly [image: string, why: RegExp])[] = [
    ['registry.example.com/app:1', /without a digest/],
    [`registry.example.com/app@sha256:${'b'.repeat(64)}`, /has not judged this image/],
    [`evil.example.com/app@sha256:${'a'.repeat(64)}`, /evil\.example\.com/],
    ['a'.repeat(64), /id of an image/],
  ];
  for (const [image, why] of refused) t.match(await ask(rig, { Image: image }), { Allow: false, Msg: why }, image);
  t.match(await ask(rig, undefined, '/images/create?fromImage=evil.example.com/app&tag=1'), { Allow: false });
  t.match(await ask(rig, undefined, '/images/create?fromImage=registry.example.com/app&tag=1'), { Allow: true });

  await publish(4);
  await until(() => plugin.logged().includes('its version 4 is below 5'));
  t.match(await ask(rig, { Image: good }), { Allow: true }, 'the one before stays in force');
  await plugin.stop();
  plugin = await rig.start(flags);
  t.match(await ask(rig, { Image: good }), { Allow: false, Msg: /its version 4 is below 5/ }, 'also after a restart');
  await publish(6, generateKeyPairSync('ed25519').privateKey);
  await until(() => plugin.logged().includes('its signature is not one of the collector'));
  t.match(await ask(rig, { Image: good }), { Allow: false });
  await publish(6);
  await until(async () => (await ask(rig, { Image: good })).Allow);
  await plugin.stop();
  writeFileSync(join(state, 'snapshot-version'), 'x');
  await t.rejects(rig.start(flags), /does not hold the version of a snapshot/);
});

t.test('container policies of the signed snapshot: nothing else changes them', async (t) => {
  const rig = rigFor(t);
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const keyFile = join(rig.directory, 'key.pub');
  writeFileSync(keyFile, publicKey.export({ type: 'spki', format: 'pem' }));
  const publish = async (version: number, specs: readonly object[], key = privateKey): Promise<void> => {
    const containerPolicies = specs.map((spec, index) => {
      const value = {
        apiVersion: 'plimsoll.dev/v1',
        kind: 'ContainerPolicy',
        metadata: { name: `p${String(index)}` },
        spec: { images: { judge: false }, ...spec },
      };
      const parsed = parseContainerPolicy({ value, source: '' });
      if (!parsed.ok) throw new Error(parsed.problem);
      return parsed.value;
    });
    const head = { version, collector: 'c', issuedAt: Date.now(), tags: [], policies: [], images: [] };
    const content = Buffer.from(snapshotText({ ...head, containerPolicies }));
    await writeSnapshot(rig.directory, { content, signature: await signDetached(content, key) });
  };
  const flags = {
    'container-policy': 'snapshot',
    'policy-snapshot': rig.directory,
    'policy-snapshot-key': keyFile,
    'data-dir': join(rig.directory, 'state'),
  };
  let plugin = await rig.start(flags);
  t.match(await ask(rig, { Image: 'a' }), { Allow: false, Msg: /there is no policy snapshot/ });
  t.match(await ask(rig, undefined, '/info', 'GET'), { Allow: true }, 'reads work before the first snapshot');
  await publish(5, [{}]);
  await until(async () => (await ask(rig, { Image: 'a' })).Allow);
  t.match(await ask(rig, PRIVILEGED), { Allow: false });
  // Somebody who can write the directory, without the key of the collector, or with an old snapshot of it.
  await publish(9, [{ allowPrivileged: true }], generateKeyPairSync('ed25519').privateKey);
  await until(() => plugin.logged().includes('its signature is not one of the collector'));
  t.match(await ask(rig, PRIVILEGED), { Allow: false });
  await publish(4, [{ allowPrivileged: true }]);
  await until(() => plugin.logged().includes('its version 4 is below 5'));
  t.match(await ask(rig, PRIVILEGED), { Allow: false });
  await publish(6, [{ allowPrivileged: true }]);
  await until(async () => (await ask(rig, PRIVILEGED)).Allow);
  await publish(7, []);
  await until(async () => !(await ask(rig, { Image: 'a' })).Allow);
  t.match(await ask(rig, { Image: 'a' }), { Allow: false, Msg: /holds no ContainerPolicy/ });
  await plugin.stop();
  // The collector is away: after a restart the snapshot on disk decides the same.
  await publish(8, [{ match: { clients: ['*'] } }]);
  plugin = await rig.start(flags);
  t.match(await ask(rig, { Image: 'a' }), { Allow: true });
  await plugin.stop();
  await t.rejects(rig.start({ 'container-policy': 'snapshot' }), /none is configured/);
});

t.test('a client that is refused in a loop does not fill the disk', async (t) => {
  const rig = rigFor(t);
  const events = join(rig.directory, 'events.ndjson');
  const plugin = await rig.start({ 'authz-events': events });
  for (let count = 0; count < 400; count += 1) await ask(rig, PRIVILEGED);
  await new Promise((resolve) => setTimeout(resolve, 300));
  await ask(rig, PRIVILEGED);
  await plugin.stop();
  const lines = readFileSync(events, 'utf8').trim().split('\n');
  t.ok(lines.length >= 100 && lines.length < 300, String(lines.length));
  const counts = lines.map((line) => (JSON.parse(line) as { readonly count?: number }).count ?? 1);
  const total = counts.reduce((sum, count) => sum + count, 0);
  t.equal(total, 401, 'the next event counts those that were left out');
  t.match(plugin.logged(), /"refused":401/);
});

const noActivation = spawnSync('systemd-socket-activate', ['--version']).status === 0 ? false : 'no systemd';

t.test('systemd holds the socket', { skip: noActivation }, async (t) => {
  const rig = rigFor(t);
  const args = ['-l', rig.socket, process.execPath, PROGRAM, 'authz', '--plugin-socket', '/nonexistent/x'];
  const passed = Object.keys(environmentOf()).flatMap((name) => ['-E', name]);
  const child = spawn('systemd-socket-activate', [...passed, ...args], { env: environmentOf(), stdio: 'pipe' });
  t.teardown(() => child.kill('SIGKILL'));
  let logged = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (logged += text));
  await until(() => existsSync(rig.socket));
  t.match(await ask(rig, PRIVILEGED), { Allow: false });
  t.match(logged, /"address":"socket of systemd"/);
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  await ended;
  t.ok(existsSync(rig.socket), 'the socket is not removed: it is that of systemd');
});

const noAnalyze = spawnSync('systemd-analyze', ['--version']).status === 0 ? false : 'no systemd-analyze';

t.test('the units are valid, and the service has few privileges', { skip: noAnalyze }, (t) => {
  for (const name of ['plimsoll-authz.socket', 'plimsoll-authz.service', 'plimsoll-authz-fetch.service']) {
    const unit = join(ROOT, 'manifests/systemd', name);
    const { stderr } = spawnSync('systemd-analyze', ['verify', unit], { encoding: 'utf8' });
    const complaints = stderr.split('\n').filter((line) => line !== '' && !line.includes('is not executable'));
    t.same(complaints, [], name);
  }
  const service = join(ROOT, 'manifests/systemd/plimsoll-authz.service');
  // The threshold is in tenths.
  const args = ['security', '--offline=true', '--no-pager', '--threshold=8', service];
  const { status, stdout } = spawnSync('systemd-analyze', args, { encoding: 'utf8' });
  t.equal(status, 0, /Overall exposure level.*/.exec(stdout)?.[0] ?? stdout);
  t.end();
});
