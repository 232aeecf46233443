import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { Test } from 'tap';
import { checkIssued, requestRenewal } from '../../../agent/enrollment/enrollment-client.ts';
import { joinFleet } from '../../../agent/enrollment/join.ts';
import { openNodeAdmission } from '../../../collector/enrollment/open.ts';
import { startSessionServer } from '../../../collector/session/server.ts';
import { createEventBus } from '../../../collector/store/event-bus.ts';
import { openSqliteStore } from '../../../collector/store/sqlite.ts';
import { beginRotation } from '../../../collector/tls/rotation.ts';
import { openTlsKeeper } from '../../../collector/tls/tls-keeper.ts';
import { systemClock } from '../../../service/clock.ts';
import type { Address } from '../../../service/config/kind.ts';
import { loadSettings } from '../../../service/config/load.ts';
import { issueCertificate } from '../../../service/tls/issue.ts';
import { createSigningRequest } from '../../../service/tls/signing-request.ts';
import { createFakeClock } from '../../service/fake-clock.ts';
import type { FakeClock } from '../../service/fake-clock.ts';
import { recordingLog } from '../api/server.ts';
import { hello } from '../session/messages.ts';
import { dial } from '../session/node.ts';

const HOUR_MS = 3_600_000;

async function settingsOf(flags: Readonly<Record<string, string>>) {
  const loaded = await loadSettings({
    programs: ['collector'],
    flags: { listen: '127.0.0.1:0', enroll: '127.0.0.1:0', ...flags },
    environment: {},
    readFile: () => Promise.resolve(undefined),
    uid: 0,
    home: '/root',
  });
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
  return loaded.settings;
}

/** A keeper whose clock is turned; TLS itself goes by the real time, so that it starts an hour ago. */
async function openKeeper(
  t: Test,
  flags: Readonly<Record<string, string>>,
  clock = createFakeClock(Date.now() - HOUR_MS),
) {
  const settings = await settingsOf(flags);
  const { log, logged } = recordingLog();
  const stop = new AbortController();
  const keeper = await openTlsKeeper({ settings, hostName: 'h', isUsed: false, clock, log, signal: stop.signal });
  t.teardown(() => stop.abort());
  return { settings, clock, keeper, log, logged };
}

/** Lets time pass and waits, in real time, for what the keeper does about it. */
async function passUntil(clock: FakeClock, durationMs: number, isDone: () => boolean): Promise<void> {
  await clock.advance(durationMs);
  for (let tries = 0; tries < 3000 && !isDone(); tries += 1) await new Promise((resolve) => setTimeout(resolve, 10));
}

async function startFleet(t: Test) {
  const directory = t.testdir();
  const dataDir = join(directory, 'collector');
  const opened = await openKeeper(t, { 'data-dir': dataDir });
  const { settings, clock, keeper, log } = opened;
  const admission = await openNodeAdmission({ settings, tls: keeper, attestToken: undefined, clock, log });
  const enroll = (await admission.listen({ isKnown: () => false })) as Address;
  const store = await openSqliteStore({ path: join(directory, 'store.sqlite') });
  const server = await startSessionServer({
    listen: settings.listen,
    tls: keeper.current(),
    store,
    eventBus: createEventBus(),
    replies: { onResult: () => true, onDisconnect: () => undefined },
    onNodeAhead: () => Promise.resolve(),
    isRevoked: admission.revocations.isRevoked,
    clock: systemClock(),
    log,
  });
  keeper.onChange(server.useTls);
  t.teardown(async () => {
    await server.close();
    await admission.close();
    await store.close();
  });
  const filesOf = (node: string) => ({
    tlsCa: join(directory, node, 'ca.pem'),
    tlsCert: join(directory, node, 'agent.pem'),
    tlsKey: join(directory, node, 'agent-key.pem'),
  });
  const joinHost = async (node: string, joinCaHash: readonly string[]): Promise<void> => {
    const created = await admission.tokens.create({ ttlMs: HOUR_MS, nodeId: node });
    const base = { join: enroll, joinToken: created?.text ?? '', joinTokenFile: 'off', joinCaFile: 'off' };
    await joinFleet({ ...base, joinCaHash, ...filesOf(node) }, node, log);
  };
  const connect = (node: string, over: { ca?: string } = {}) => {
    const { tlsCa, tlsCert, tlsKey } = filesOf(node);
    const identity = { certificatePem: readFileSync(tlsCert, 'utf8'), keyPem: readFileSync(tlsKey, 'utf8') };
    const session = dial({ address: server.address, ca: over.ca ?? readFileSync(tlsCa, 'utf8'), identity });
    t.teardown(session.close);
    session.say(hello());
    return session;
  };
  const renew = async (node: string) => {
    const { tlsCa, tlsCert, tlsKey } = filesOf(node);
    const [ca, cert, key] = [tlsCa, tlsCert, tlsKey].map((path) => readFileSync(path, 'utf8')) as [
      string,
      string,
      string,
    ];
    const issued = await requestRenewal(enroll, { ca, cert, key }, (await createSigningRequest(key)).csrPem);
    if (!issued.ok) return issued;
    const checked = checkIssued(issued.value, { keyPem: key, ca });
    if (!checked.ok) return checked;
    writeFileSync(tlsCa, issued.value.authorityPem);
    writeFileSync(tlsCert, issued.value.certificatePem);
    return issued;
  };
  return { ...opened, dataDir, enroll, filesOf, joinHost, connect, renew };
}

void t.test('nodes that are there move to the new CA; one that was away has to join again', async (t) => {
  const fleet = await startFleet(t);
  const { keeper, clock, joinHost, connect, renew, filesOf, dataDir } = fleet;
  const hashes = (): readonly string[] => keeper.authorities().map(({ hash }) => hash);
  const [old = ''] = hashes();
  for (const node of ['present', 'away']) await joinHost(node, [old]);
  const session = connect('present');
  await session.hearA('welcome');
  let isOver = false;
  session.call.on('status', () => {
    isOver = true;
  });

  t.equal(await keeper.rotate(HOUR_MS), undefined);
  t.equal(await keeper.rotate(HOUR_MS), 'inProgress');
  const [first, next = ''] = hashes();
  t.equal(first, old);
  t.equal(keeper.rotationEndsMs(), clock.now() + HOUR_MS);
  await connect('away').hearA('welcome');
  t.equal(isOver, false, 'no session is dropped');
  await joinHost('joined-between', [old, next]);
  await t.rejects(joinHost('too-early', [next]), { message: /check --join-ca-hash/ });
  t.match(await renew('present'), { ok: true });
  const signer = execFileSync(
    'openssl',
    ['verify', '-CAfile', join(dataDir, 'tls/ca-next.pem'), filesOf('present').tlsCert],
    {
      encoding: 'utf8',
    },
  );
  t.match(signer, /OK/, 'the new CA signs certificates of nodes at once');
  const bundle = readFileSync(filesOf('present').tlsCa, 'utf8');
  t.equal(bundle.match(/BEGIN CERTIFICATE/g)?.length, 2, 'the node trusts both');

  await passUntil(clock, HOUR_MS, () => hashes().length === 1);
  t.strictSame(hashes(), [next]);
  t.match(await session.ended, { name: 'UNAVAILABLE' }, 'a session with a certificate of the old CA is cut');
  await connect('present').hearA('welcome');
  await connect('joined-between').hearA('welcome');
  t.match(await renew('present'), { ok: true });
  t.equal(readFileSync(filesOf('present').tlsCa, 'utf8').match(/BEGIN CERTIFICATE/g)?.length, 1);
  t.match(await connect('away').ended, { name: 'UNAVAILABLE' }, 'it does not trust the new CA');
  const ca = readFileSync(join(dataDir, 'tls/ca.pem'), 'utf8');
  t.match(await connect('away', { ca }).ended, { name: 'UNAVAILABLE' }, 'nor is its certificate trusted');
  t.match(await renew('away'), { ok: false });
  await joinHost('late', [old, next]);
  rmSync(filesOf('away').tlsCa);
  await joinHost('away', [old, next]);
  await connect('away').hearA('welcome');
  for (const name of ['ca-next.pem', 'ca-next-key.pem', 'ca-rotation.json'])
    t.notOk(existsSync(join(dataDir, 'tls', name)), `${name} is gone`);
});

void t.test('a rotation survives a restart, also one in the middle of its end', async (t) => {
  const dataDir = join(t.testdir(), 'collector');
  const { keeper } = await openKeeper(t, { 'data-dir': dataDir });
  await keeper.rotate(HOUR_MS);
  const hashes = keeper.authorities().map(({ hash }) => hash);
  const again = await openKeeper(t, { 'data-dir': dataDir });
  t.strictSame(
    again.keeper.authorities().map(({ hash }) => hash),
    hashes,
  );
  // As a crash leaves it: the key is the next one, the certificate is not, and the clock was set back.
  const file = (name: string): string => join(dataDir, 'tls', name);
  writeFileSync(file('ca-rotation.json'), '{"startedMs":1,"endsMs":0}');
  writeFileSync(file('ca-key.pem'), readFileSync(file('ca-next-key.pem')), { mode: 0o600 });
  const after = await openKeeper(t, { 'data-dir': dataDir });
  t.strictSame(
    after.keeper.authorities().map(({ hash }) => hash),
    hashes.slice(1),
  );
  t.match(
    execFileSync('openssl', ['verify', '-CAfile', file('ca.pem'), file('collector.pem')], { encoding: 'utf8' }),
    /OK/,
  );

  await beginRotation(join(dataDir, 'tls'), Date.now(), HOUR_MS);
  writeFileSync(file('ca-rotation.json'), '{');
  await t.rejects(openKeeper(t, { 'data-dir': dataDir }), { code: 'invalid', message: /is damaged: restore/ });
});

void t.test(
  'certificates that are managed elsewhere are read again; a wrong pair does not replace a good one',
  async (t) => {
    const directory = t.testdir();
    const at = (name: string): string => join(directory, name);
    const put = (name: string, content: string): void => {
      writeFileSync(at(`${name}.new`), content, { mode: 0o600 });
      renameSync(at(`${name}.new`), at(name));
    };
    const ca = await issueCertificate({ kind: 'authority' }, undefined, Date.now());
    const issue = () => issueCertificate({ kind: 'server', names: ['localhost'] }, ca, Date.now());
    const [one, two] = [await issue(), await issue()];
    put('ca.pem', ca.certificatePem);
    put('cert.pem', one.certificatePem);
    put('key.pem', one.keyPem);
    const flags = {
      'data-dir': at('data'),
      'tls-ca': at('ca.pem'),
      'tls-cert': at('cert.pem'),
      'tls-key': at('key.pem'),
    };
    const { keeper, clock, logged } = await openKeeper(t, flags);
    t.equal(await keeper.rotate(HOUR_MS), 'notOurs');
    let seen = '';
    keeper.onChange(({ cert }) => {
      seen = cert;
    });
    put('cert.pem', two.certificatePem);
    await passUntil(clock, 60_000, () => logged.some(({ level }) => level === 'error'));
    t.match(logged.at(-1)?.message, /could not be read again/);
    t.equal(keeper.current().cert, one.certificatePem);
    put('key.pem', two.keyPem);
    await passUntil(clock, 60_000, () => seen !== '');
    t.equal(seen, two.certificatePem);
  },
);
