import t from 'tap';
import type { Test } from 'tap';
import type { TlsOptions } from 'node:tls';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import type { Sink } from '../../../collector/sink/sink.ts';
import { openSyslogConnection } from '../../../collector/sink/syslog-connection.ts';
import type { OpenedConnection } from '../../../collector/sink/syslog-connection.ts';
import type { ClientTls } from '../../../collector/sink/client-tls.ts';
import { createSyslogSink } from '../../../collector/sink/syslog.ts';
import { systemClock } from '../../../service/clock.ts';
import type { Clock } from '../../../service/clock.ts';
import { issueCertificate } from '../../../service/tls/issue.ts';
import { createFakeClock } from '../../service/fake-clock.ts';
import { sendAll } from './conformance.ts';
import { event, events, render } from './events.ts';
import { startSyslogReceiver } from './syslog-receiver.ts';

const CLOCK = systemClock();

interface Made {
  readonly port: number;
  readonly host?: string;
  readonly tls?: ClientTls;
  readonly replay?: number;
  readonly clock?: Clock;
  readonly maxBytes?: number;
}

function sinkTo(t: Test, { port, host = '127.0.0.1', tls, replay = 1000, clock = CLOCK, maxBytes = 8000 }: Made): Sink {
  const sink = createSyslogSink({
    name: 'syslog',
    clock,
    render,
    frame: { facility: 'local0', maxBytes, procId: '1' },
    open: () => openSyslogConnection({ address: { host, port }, clock, ...(tls && { tls }) }),
    replay,
  });
  t.teardown(() => sink.close());
  return sink;
}

async function receiverOf(t: Test) {
  const receiver = await startSyslogReceiver();
  t.teardown(() => receiver.stop());
  return receiver;
}

const uidsOf = (from: number, to: number): readonly string[] => events(from, to).map(({ uid }) => uid);

await t.test('one connection for many batches; what is acknowledged lags half a window behind', async (t) => {
  const receiver = await receiverOf(t);
  const sink = sinkTo(t, { port: receiver.port, replay: 20 });
  t.same(await sink.send(events(1, 4)), { outcome: 'ok', acknowledged: 0 });
  t.same(await sink.send(events(5, 9)), { outcome: 'ok', acknowledged: 0 });
  t.equal(receiver.connections(), 1);
  t.same(await sink.send(events(10, 15)), { outcome: 'ok', acknowledged: 0 }, 'ten were confirmed');
  t.equal(receiver.connections(), 2);
  t.same(await sink.send(events(16, 25)), { outcome: 'ok', acknowledged: 10 }, 'twenty were, ten of them before that');
  t.same(await sink.send([]), { outcome: 'ok', acknowledged: 25 }, 'nothing more to come: all');
  t.same(receiver.uids(), uidsOf(1, 25));
});

await t.test('a reset at any point loses nothing, and repeats no more than the window', async (t) => {
  const receiver = await receiverOf(t);
  const sink = sinkTo(t, { port: receiver.port, replay: 100 });
  let resets = 0;
  receiver.onEvent((count) => {
    // Primes: they fall on the first and on the last events of connections, and in between.
    if (![7, 61, 113, 293, 449, 599].includes(count)) return;
    resets += 1;
    receiver.reset();
  });
  await sendAll(sink, events(1, 1000));
  await sink.send([]);
  const uids = receiver.uids();
  t.same(new Set(uids), new Set(uidsOf(1, 1000)));
  t.equal(resets, 6);
  t.ok(uids.length - 1000 <= 6 * 100, `${String(uids.length - 1000)} came twice`);
  t.same([...new Set(uids)], uidsOf(1, 1000), 'the first time in order');
});

await t.test('a receiver that never lasts: a smaller step each time, to the end', async (t) => {
  const receiver = await receiverOf(t);
  const sink = sinkTo(t, { port: receiver.port, replay: 64 });
  receiver.onEvent((count) => {
    if (count % 11 === 0 && count < 600) receiver.reset();
  });
  await sendAll(sink, events(1, 60));
  t.same(new Set(receiver.uids()), new Set(uidsOf(1, 60)));
});

await t.test('a receiver that ends the connection gets accepted events again', async (t) => {
  const receiver = await receiverOf(t);
  const sink = sinkTo(t, { port: receiver.port });
  await sink.send(events(1, 3));
  while (receiver.uids().length < 3) await new Promise(setImmediate);
  receiver.hangUp();
  let outcome = await sink.send([]);
  t.match(outcome, { outcome: 'retry', reason: /ended the connection/ });
  outcome = await sink.send(events(1, 3));
  t.equal(outcome.outcome, 'ok');
  t.same(await sink.send([]), { outcome: 'ok', acknowledged: 3 });

  receiver.behave('hangs-up');
  const away = sinkTo(t, { port: receiver.port });
  await away.send(events(4, 5));
  t.match(await away.send([]), { outcome: 'retry' }, 'an end that was under way is no answer to ours');
});

await t.test('a receiver that hangs is noticed, without a reset', async (t) => {
  const receiver = await receiverOf(t);
  const clock = createFakeClock();
  /** Turns the clock while real sockets do their part. */
  const turn = async <T>(outcome: Promise<T>): Promise<T> => {
    let isOver = false;
    const over = (): void => void (isOver = true);
    outcome.then(over, over);
    while (!isOver) {
      await new Promise((resolve) => setTimeout(resolve, 1));
      await clock.advance(250);
    }
    return outcome;
  };
  receiver.behave('never-ends');
  const patient = sinkTo(t, { port: receiver.port, clock });
  t.same(await turn(patient.send(events(1, 3))), { outcome: 'ok', acknowledged: 0 });
  t.match(await turn(patient.send([])), { outcome: 'retry', reason: /has not read to the end for 20 s/ });

  receiver.behave('stalls');
  const stuck = sinkTo(t, { port: receiver.port, clock, maxBytes: 1024 ** 2, replay: 100_000 });
  const evidence = [{ source: '/proc/1/status', seen: 'x'.repeat(900_000), expected: '' }];
  const large = Array.from({ length: 40 }, (_, index) => event(index + 1, { evidence }));
  t.match(await turn(stuck.send(large)), {
    outcome: 'retry',
    reason: /has (taken nothing|not read to the end) for 20 s/,
  });

  receiver.behave('reads');
  const slow = sinkTo(t, { port: receiver.port, clock });
  await turn(slow.send(events(1, 1)));
  const before = receiver.connections();
  await clock.advance(31_000);
  await turn(slow.send(events(2, 2)));
  t.equal(receiver.connections(), before + 1, 'what is unconfirmed for 30 s is confirmed before more follows');
});

await t.test('a slow receiver with a backlog: the position moves, little is sent again', async (t) => {
  const receiver = await receiverOf(t);
  receiver.behave('reads-slowly');
  // The deadlines of the sink pass 20 times faster, so that 1.3 MB/s count as 65 KB/s and its 20 s as one.
  const sink = sinkTo(t, { port: receiver.port, clock: fasterClock(20), replay: 10_000 });
  const evidence = [{ source: '/proc/1/status', seen: 'x'.repeat(3000), expected: '' }];
  const all = events(1, 1500, { evidence });
  let acknowledged = 0;
  let failures = 0;
  for (let from = 0; from < all.length && failures < 20;) {
    const outcome = await sink.send(all.slice(from, from + 500));
    if ('acknowledged' in outcome && outcome.acknowledged !== undefined)
      acknowledged = Math.max(acknowledged, outcome.acknowledged);
    if (outcome.outcome !== 'ok') failures += 1;
    from = outcome.outcome === 'ok' ? from + 500 : acknowledged;
  }
  t.same(await sink.send([]), { outcome: 'ok', acknowledged: 1500 });
  t.equal(failures, 0, 'no window was too large for it');
  t.same(receiver.uids(), uidsOf(1, 1500), 'each once, in order');
});

/** A clock on which `factor` seconds pass in one. */
function fasterClock(factor: number): Clock {
  return {
    now: () => CLOCK.now() * factor,
    monotonic: () => CLOCK.monotonic() * factor,
    after: (delayMs, run) => CLOCK.after(delayMs / factor, run),
  };
}

await t.test('what cannot be reached', async (t) => {
  const receiver = await startSyslogReceiver();
  await receiver.stop();
  const refused = await sinkTo(t, { port: receiver.port }).send(events(1, 1));
  t.match(refused, {
    outcome: 'retry',
    afterMs: 1000,
    acknowledged: 0,
    reason: `127.0.0.1:${String(receiver.port)}: nothing listens there (ECONNREFUSED)`,
  });
  const unknown = await sinkTo(t, { host: 'no-such-host.invalid', port: 1 }).send(events(1, 1));
  t.match(unknown, { outcome: 'retry', reason: /could not be resolved \((ENOTFOUND|EAI_AGAIN)\)/ });
});

await t.test('an event that cannot be made small enough is rejected, the others arrive', async (t) => {
  const receiver = await receiverOf(t);
  const sink = sinkTo(t, { port: receiver.port, maxBytes: 2048 });
  const nodeId = '"'.repeat(20_000);
  const outcome = await sink.send([event(1), event(2, { nodeId, uid: nodeId }), event(3)]);
  t.match(outcome, { outcome: 'reject', uids: ['store-2-time'], reason: /2048 bytes/ });
  t.same(receiver.uids(), ['store-1-time', 'store-3-time']);
});

await t.test('TLS: trusted receivers, and the reason for each refusal', async (t) => {
  const nowMs = Date.now();
  const authority = await issueCertificate({ kind: 'authority' }, undefined, nowMs);
  const other = await issueCertificate({ kind: 'authority' }, undefined, nowMs);
  const server = await issueCertificate({ kind: 'server', names: ['127.0.0.1'] }, authority, nowMs);
  const client = await issueCertificate({ kind: 'node', nodeId: 'collector' }, authority, nowMs);
  const stranger = await issueCertificate({ kind: 'node', nodeId: 'collector' }, other, nowMs);
  const expired = await issueCertificate(
    { kind: 'server', names: ['127.0.0.1'] },
    authority,
    nowMs - 2 * 365 * 86_400_000,
  );
  const elsewhere = await issueCertificate({ kind: 'server', names: ['log.example'] }, authority, nowMs);
  const ca = authority.certificatePem;
  const own = { ca, cert: client.certificatePem, key: client.keyPem };
  const listen = async (shown: typeof server, more: TlsOptions = {}): Promise<number> => {
    const receiver = await startSyslogReceiver({ ca, cert: shown.certificatePem, key: shown.keyPem, ...more });
    t.teardown(() => receiver.stop());
    return receiver.port;
  };
  const tryIt = async (port: number, tls: ClientTls) => sinkTo(t, { port, tls }).send(events(1, 1));
  const mutual = { requestCert: true, rejectUnauthorized: true };
  const strict = await listen(server, mutual);
  t.equal((await tryIt(strict, own)).outcome, 'ok');
  const refused = /accept our certificate.*sink-syslog-cert/;
  t.match(await tryIt(strict, { ca }), { outcome: 'retry', reason: refused }, 'refused before anything is sent');
  t.match(await tryIt(strict, { ca, cert: stranger.certificatePem, key: stranger.keyPem }), { reason: refused });
  const older = await listen(server, { ...mutual, maxVersion: 'TLSv1.2' });
  t.equal((await tryIt(older, own)).outcome, 'ok', 'TLS 1.2');
  t.match(await tryIt(older, { ca }), { outcome: 'retry', reason: refused });

  t.match(await tryIt(strict, { ...own, ca: other.certificatePem }), {
    reason: /not issued by an authority in sink-syslog-ca/,
  });
  t.match(await tryIt(await listen(expired), { ca }), { reason: /has expired \(CERT_HAS_EXPIRED\)/ });
  t.match(await tryIt(await listen(elsewhere), { ca }), { reason: /is for another name/ });
  const old = await listen(server, { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' });
  t.match(await tryIt(old, { ca }), { outcome: 'retry', reason: /TLS 1\.2 or later/ });
  const plain = await startSyslogReceiver();
  t.teardown(() => plain.stop());
  plain.behave('hangs-up');
  t.match(await tryIt(plain.port, { ca }), { outcome: 'retry' });
});

await t.test('a receiver that sends data is ignored; one that sends garbage instead of TLS is reported', async (t) => {
  const authority = await issueCertificate({ kind: 'authority' }, undefined, Date.now());
  const talker = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.write('220 mail.example ESMTP\r\n'.repeat(10_000));
    socket.resume().on('end', () => socket.end());
  });
  talker.listen(0, '127.0.0.1');
  await once(talker, 'listening');
  t.teardown(() => talker.close());
  const { port } = talker.address() as AddressInfo;
  const sink = sinkTo(t, { port });
  t.equal((await sink.send(events(1, 2))).outcome, 'ok');
  t.same(await sink.send([]), { outcome: 'ok', acknowledged: 2 });
  const opened: OpenedConnection = await openSyslogConnection({
    address: { host: '127.0.0.1', port },
    clock: CLOCK,
    tls: { ca: authority.certificatePem },
  });
  t.match(opened, { ok: false, reason: /does not speak TLS on this port/ });
});
