import { execFileSync } from 'node:child_process';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import type { Test } from 'tap';
import { findValidCertificate, replaceCertificate } from '../../../agent/enrollment/certificate-files.ts';
import { joinFleet } from '../../../agent/enrollment/join.ts';
import type { JoinSettings } from '../../../agent/enrollment/join.ts';
import { keepCertificateRenewed } from '../../../agent/enrollment/renew.ts';
import type { RenewalSettings } from '../../../agent/enrollment/renew.ts';
import type { Clock } from '../../../service/clock.ts';
import { formatAddress } from '../../../service/config/kind.ts';
import type { Address } from '../../../service/config/kind.ts';
import type { Logger } from '../../../service/log.ts';
import { createSigningRequest, signNodeRequest } from '../../../service/tls/signing-request.ts';
import { collector, directoryOf } from '../../collector/run-collector.ts';
import { createFakeClock } from '../../service/fake-clock.ts';

/** A real collector that enrols nodes, and what its API answers about join tokens. */
async function startCollector(t: Test, enroll = '127.0.0.1:0', directory = directoryOf(t)) {
  const running = await collector(t, { 'data-dir': directory, enroll });
  const { api, enroll: address } = await running.ready;
  const authorization = `Bearer ${readFileSync(join(directory, 'operator-token'), 'utf8').trim()}`;
  const post = async (path: string, body: unknown) => {
    const response = await fetch(`http://${formatAddress(api)}${path}`, {
      method: 'POST',
      headers: { authorization, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    return { status: response.status, body: (await response.json()) as { token?: string; caHash?: string } };
  };
  const createToken = async (nodeId?: string): Promise<Pick<JoinSettings, 'joinToken' | 'joinCaHash'>> => {
    const { body } = await post('/v1/join-tokens', nodeId === undefined ? {} : { nodeId });
    return { joinToken: body.token ?? '', joinCaHash: [body.caHash ?? ''] };
  };
  return { ...running, directory, address: address as Address, post, createToken };
}

function settingsFor(t: Test, address: Address, over: Partial<JoinSettings> = {}): JoinSettings & RenewalSettings {
  const directory = join(directoryOf(t), 'tls');
  const own = { tlsCa: `${directory}/ca.pem`, tlsCert: `${directory}/agent.pem`, tlsKey: `${directory}/agent-key.pem` };
  const method = { joinMethod: 'token', joinCaFile: 'off', kubernetesTokenFile: '/nonexistent' } as const;
  return { join: address, joinToken: '', joinTokenFile: 'off', joinCaHash: [], ...method, ...own, ...over };
}

function collectLog(): { readonly log: Logger; readonly lines: string[] } {
  const lines: string[] = [];
  const note = (fields: unknown, message: string): void =>
    void lines.push(
      `${message} ${JSON.stringify(fields, (_key, value: unknown) => (value instanceof Error ? value.message : value))}`,
    );
  return { lines, log: { debug: note, info: note, warn: note, error: note } };
}

const onOtherNode = (): void => undefined;

const certificateOf = ({ tlsCert }: JoinSettings): X509Certificate => new X509Certificate(readFileSync(tlsCert));

void t.test('a node joins, and starts again without a token', async (t) => {
  const fleet = await startCollector(t);
  const { log, lines } = collectLog();
  const token = await fleet.createToken();
  const settings = settingsFor(t, fleet.address, token);
  await joinFleet(settings, 'web-1', log);
  t.equal(certificateOf(settings).subjectAltName, 'URI:spiffe://plimsoll.local/host/web-1');
  t.equal(statSync(settings.tlsKey).mode & 0o777, 0o600);
  t.equal(
    readFileSync(settings.tlsCa, 'utf8').trim(),
    readFileSync(join(fleet.directory, 'tls/ca.pem'), 'utf8').trim(),
  );
  t.notMatch(lines.join(), token.joinToken.split('.')[1] ?? 'x', 'the token is not logged');

  const before = certificateOf(settings).serialNumber;
  await joinFleet(settings, 'web-1', log);
  await joinFleet({ ...settings, joinToken: '' }, 'web-1', log);
  t.equal(certificateOf(settings).serialNumber, before, 'the certificate stays');

  const stale = { ...settings, joinToken: `${'a'.repeat(10)}.${'A'.repeat(43)}` };
  await joinFleet(stale, 'web-1', log);
  t.equal(certificateOf(settings).serialNumber, before, 'a token that is refused stops no enrolled node');
  t.match(lines.at(-1), /keeps its certificate/);

  await joinFleet({ ...settings, ...(await fleet.createToken('web-1')) }, 'web-1', log);
  t.not(certificateOf(settings).serialNumber, before, 'a new token for this node enrols it again');
});

void t.test('what stops a node from joining is said, with what to do', async (t) => {
  const fleet = await startCollector(t);
  const { log } = collectLog();
  const token = await fleet.createToken();
  const file = join(directoryOf(t), 'token');
  writeFileSync(file, `${token.joinToken}\n`);
  const [fifo, long] = [`${file}-fifo`, `${file}-long`];
  execFileSync('mkfifo', [fifo]);
  writeFileSync(long, `${token.joinToken}\n`.padEnd(1025));
  const cases: readonly (readonly [Partial<JoinSettings>, RegExp])[] = [
    [{}, /set --join-token and --join-ca-hash/],
    [{ ...token, joinCaHash: [`sha256:${'0'.repeat(64)}`] }, /check --join-ca-hash/],
    [{ ...token, joinToken: `${'a'.repeat(10)}.${'A'.repeat(43)}` }, /not valid; create one/],
    [{ ...token, join: { host: '127.0.0.1', port: 1 } }, /cannot connect to 127\.0\.0\.1:1: ECONNREFUSED/],
    [{ ...token, joinTokenFile: join(file, 'none') }, /could not be read: ENOTDIR/],
    [{ ...token, joinTokenFile: fifo }, /token-fifo is not a regular file/],
    [{ ...token, joinTokenFile: '/dev/zero' }, /\/dev\/zero is not a regular file/],
    [{ ...token, joinTokenFile: long }, /token-long is longer than 1024 bytes/],
  ];
  for (const [over, message] of cases)
    await t.rejects(joinFleet(settingsFor(t, fleet.address, over), 'web-1', log), { message }, String(message));
  const settings = settingsFor(t, fleet.address, { joinCaHash: token.joinCaHash, joinTokenFile: file });
  await joinFleet(settings, 'web-1', log);
  t.ok(certificateOf(settings), 'the token may be in a file');
  const issued = certificateOf(settings).serialNumber;
  rmSync(file);
  await joinFleet(settings, 'web-1', log);
  t.equal(certificateOf(settings).serialNumber, issued, 'the file may be removed once the node has joined');
  await t.rejects(joinFleet(settingsFor(t, fleet.address, token), 'web-2', log), /used before/);
});

/** Keeps the certificate renewed until the result is called, or the test ends. */
function renew(t: Test, settings: RenewalSettings, clock: Clock, log: Logger): () => Promise<void> {
  const stop = new AbortController();
  const { signal } = stop;
  const options = { settings, nodeId: 'web-1', clock, random: () => 0.5, log, signal, onOtherNode };
  const renewal = keepCertificateRenewed(options);
  t.teardown(() => stop.abort());
  return () => {
    stop.abort();
    return renewal;
  };
}

void t.test('a certificate is renewed at 60 % of its time, also after an hour without the collector', async (t) => {
  const fleet = await startCollector(t);
  const { log, lines } = collectLog();
  const settings = settingsFor(t, fleet.address, await fleet.createToken());
  await joinFleet(settings, 'web-1', log);
  const first = certificateOf(settings).serialNumber;
  const key = readFileSync(settings.tlsKey, 'utf8');
  const clock = createFakeClock(Date.now());
  const endRenewal = renew(t, settings, clock, log);
  const pass = async (minutes: number): Promise<void> => {
    for (let step = 0; step < minutes / 10; step += 1) {
      // Only once the renewal waits for time: files and sockets take real time.
      for (let tries = 0; tries < 10_000 && clock.waiting() === 0; tries += 1)
        await new Promise((resolve) => setTimeout(resolve, 2));
      await clock.advance(10 * 60_000);
    }
  };
  await pass(14 * 60);
  t.equal(certificateOf(settings).serialNumber, first, 'not before');
  await fleet.end();
  await pass(90);
  t.equal(certificateOf(settings).serialNumber, first, 'the collector is away');
  t.match(lines.at(-1), /tries again.*ECONNREFUSED/);
  const again = await startCollector(t, formatAddress(fleet.address), fleet.directory);
  for (let tries = 0; tries < 100 && certificateOf(settings).serialNumber === first; tries += 1) await pass(10);
  t.not(certificateOf(settings).serialNumber, first, 'renewed once it is back');
  t.equal(certificateOf(settings).subjectAltName, 'URI:spiffe://plimsoll.local/host/web-1');
  t.equal(
    readFileSync(settings.tlsKey, 'utf8'),
    key,
    'for the same key: a crash cannot leave a pair that does not match',
  );
  t.ok(certificateOf(settings).checkPrivateKey(createPrivateKey(key)));

  t.match(await again.post('/v1/nodes/nobody/revoke', {}), { status: 404 });
  t.match(await again.post('/v1/nodes/web-1/revoke', {}), { status: 200 }, 'known by its token, before any session');
  // Certificates go by the real time, so with the clock of this test each one is due at once: one may be on its way.
  await pass(30);
  const second = certificateOf(settings).serialNumber;
  await pass(16 * 60);
  t.equal(certificateOf(settings).serialNumber, second, 'a revoked certificate is not renewed');
  t.match(lines.join('\n'), /tries again.*revoked/);
  await endRenewal();
});

/** A node that has joined and renews its certificate, with a clock that is 20 hours ahead. */
async function renewAhead(t: Test) {
  const fleet = await startCollector(t);
  const { log, lines } = collectLog();
  const settings = settingsFor(t, fleet.address, await fleet.createToken());
  await joinFleet(settings, 'web-1', log);
  const clock = createFakeClock(Date.now() + 20 * 3_600_000);
  const endRenewal = renew(t, settings, clock, log);
  const renewals = (): number => lines.filter((line) => /was renewed/.test(line)).length;
  const settle = async (): Promise<void> => {
    for (let tries = 0; tries < 10_000 && clock.waiting() === 0; tries += 1) await delay(2);
  };
  return { clock, endRenewal, renewals, settle };
}

void t.test('a clock that is far ahead renews once an hour, not without pause', async (t) => {
  const { clock, endRenewal, renewals, settle } = await renewAhead(t);
  await settle();
  await delay(100);
  t.equal(renewals(), 1);
  await clock.advance(59 * 60_000);
  await delay(100);
  t.equal(renewals(), 1);
  await clock.advance(60_000);
  for (let tries = 0; tries < 10_000 && renewals() < 2; tries += 1) await delay(2);
  t.equal(renewals(), 2);
  await endRenewal();
});

void t.test(
  'a certificate of a clock that was ahead: the one before is presented, and it is renewed at once',
  async (t) => {
    const fleet = await startCollector(t);
    const { log } = collectLog();
    const settings = settingsFor(t, fleet.address, await fleet.createToken());
    await joinFleet(settings, 'web-1', log);
    const [nowMs, first] = [Date.now(), certificateOf(settings)];
    const presented = async (atMs: number): Promise<string> =>
      new X509Certificate(readFileSync(await findValidCertificate(settings.tlsCert, atMs))).serialNumber;
    t.equal(await presented(nowMs), first.serialNumber);

    const issuer = {
      certificatePem: readFileSync(join(fleet.directory, 'tls/ca.pem'), 'utf8'),
      keyPem: readFileSync(join(fleet.directory, 'tls/ca-key.pem'), 'utf8'),
    };
    const issueAt = async (atMs: number): Promise<X509Certificate> => {
      const { csrPem } = await createSigningRequest(readFileSync(settings.tlsKey, 'utf8'));
      const node = { nodeId: 'web-1', clusterId: '', nodeName: '' };
      return new X509Certificate(await signNodeRequest(csrPem, node, issuer, atMs));
    };
    const ahead = await issueAt(nowMs + 15 * 3_600_000);
    await replaceCertificate(settings.tlsCert, first.toString(), ahead.toString());
    t.equal(await presented(nowMs + 16 * 3_600_000), ahead.serialNumber);
    t.equal(await presented(nowMs), first.serialNumber, 'the clock is right again');
    t.equal(await presented(nowMs + 86_400_000 + 3_600_000 * 20), ahead.serialNumber);

    for (const before of ['valid', 'absent'] as const) {
      writeFileSync(settings.tlsCert, ahead.toString());
      if (before === 'absent') rmSync(`${settings.tlsCert}.previous`);
      const endRenewal = renew(t, settings, createFakeClock(nowMs), log);
      for (let tries = 0; tries < 5_000 && certificateOf(settings).serialNumber === ahead.serialNumber; tries += 1)
        await delay(2);
      const renewed = certificateOf(settings);
      t.ok(Date.parse(renewed.validFrom) <= Date.now(), `renewed, the one before is ${before}`);
      await endRenewal();
      t.equal(await presented(nowMs), renewed.serialNumber);
    }
  },
);

void t.test('a clock that is set back after a renewal: the certificate is renewed again within a minute', async (t) => {
  const { clock, endRenewal, renewals, settle } = await renewAhead(t);
  await settle();
  t.equal(renewals(), 1);
  // Before the time from which the certificate is valid, as if the collector had been ahead as well.
  clock.jump(-21 * 3_600_000);
  await clock.advance(60_000);
  await settle();
  t.equal(renewals(), 2);
  await endRenewal();
});
