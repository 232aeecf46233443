import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { Test } from 'tap';
import { createEventBus } from '../../../collector/store/event-bus.ts';
import type { OcsfEvent } from '../../../collector/event/ocsf/ocsf.ts';
import { startDeliveryWorker } from '../../../collector/sink/delivery-worker.ts';
import type { Sink } from '../../../collector/sink/sink.ts';
import { openSyslogConnection } from '../../../collector/sink/syslog-connection.ts';
import { loadClientTls } from '../../../collector/sink/client-tls.ts';
import { createSyslogSink } from '../../../collector/sink/syslog.ts';
import { openSqliteStore } from '../../../collector/store/sqlite.ts';
import type { OutboxEvent } from '../../../collector/store/stored-event.ts';
import type { Finding } from '../../../posture/finding.ts';
import { systemClock } from '../../../service/clock.ts';
import { issueCertificate } from '../../../service/tls/issue.ts';
import { findRsyslogd, startRsyslog, until } from '../../component/rsyslog.ts';
import type { ReceiverTls, RsyslogTls, SyslogDaemon } from '../../component/rsyslog.ts';
import { findSyslogNg, startSyslogNg } from '../../component/syslog-ng.ts';
import { collectLines } from '../session/collector.ts';
import type { Line } from '../session/collector.ts';
import { commit, commitEvents, finding, nodeRow } from '../store/fleet.ts';
import { sinkConformance } from './conformance.ts';
import { events, ocsfOf, render, uidOf } from './events.ts';
import { parseMessage } from './rfc5424.ts';

const clock = systemClock();

/** Until a receiver that is back has everything: ten times what it usually takes. */
const RECOVERY_MS = 60_000;

/** A real receiver, and what it does with a client certificate of its authority that has another name. */
interface Receiver {
  readonly name: string;
  readonly absent: string | false;
  readonly start: (directory: string, tls?: ReceiverTls) => Promise<SyslogDaemon>;
  readonly acceptsAnyName?: true;
}

function rsyslog(driver: RsyslogTls['driver']): Receiver {
  const found = findRsyslogd(driver);
  const program = 'program' in found ? found.program : '';
  return {
    name: `rsyslogd (${driver})`,
    absent: 'reason' in found && found.reason,
    start: (directory, tls) => startRsyslog(program, directory, tls && { ...tls, driver }),
    // rsyslog 8.2504
    ...(driver === 'ossl' && { acceptsAnyName: true }),
  };
}

function syslogNg(): Receiver {
  const found = findSyslogNg();
  const program = 'program' in found ? found.program : '';
  return {
    name: 'syslog-ng',
    absent: 'reason' in found && found.reason,
    start: (directory, tls) => startSyslogNg(program, directory, tls && { tls }),
  };
}

const RECEIVERS = [rsyslog('gtls'), rsyslog('ossl'), syslogNg()];

/** Certificates for both ends, in files as an administrator has them. */
async function certificates(directory: string) {
  const authority = await issueCertificate({ kind: 'authority' }, undefined, Date.now());
  const server = await issueCertificate({ kind: 'server', names: ['127.0.0.1'] }, authority, Date.now());
  const put = (name: string, pem: string): string => {
    writeFileSync(join(directory, name), pem, { mode: 0o600 });
    return join(directory, name);
  };
  const client = async (nodeId: string) => {
    const { certificatePem, keyPem } = await issueCertificate({ kind: 'node', nodeId }, authority, Date.now());
    return { cert: put(`${nodeId}.pem`, certificatePem), key: put(`${nodeId}-key.pem`, keyPem) };
  };
  const ca = put('ca.pem', authority.certificatePem);
  const tls: ReceiverTls = {
    ca,
    cert: put('server.pem', server.certificatePem),
    key: put('server-key.pem', server.keyPem),
    permittedPeer: 'Plimsoll node collector',
  };
  return { tls, ca, permitted: await client('collector'), other: await client('somebody') };
}

interface Paths {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

function sinkTo(receiver: SyslogDaemon, paths?: Paths, replay = 1000): Sink {
  const address = { host: '127.0.0.1', port: receiver.port };
  return createSyslogSink({
    name: 'syslog',
    clock,
    render,
    frame: { facility: 'local0', maxBytes: 8000, procId: '4711' },
    open: async () =>
      openSyslogConnection({ address, clock, ...(paths && { tls: await loadClientTls(paths, 'sink-syslog') }) }),
    replay,
  });
}

const ocsfIn = (receiver: SyslogDaemon): readonly OcsfEvent[] =>
  receiver.raw().map((raw) => JSON.parse(parseMessage(raw).text) as OcsfEvent);

/** A store whose findings change, and a worker that brings their events to a receiver. */
async function collectorTo(t: Test, directory: string, sink: Sink) {
  const store = await openSqliteStore({ path: join(directory, 'store.sqlite') });
  const eventBus = createEventBus();
  const lines: Line[] = [];
  const sent: OutboxEvent[] = [];
  const state: Finding[] = [];
  let sequence = 0;
  await store.putNodes([nodeRow()]);
  const happen = async (count: number): Promise<void> => {
    sequence += 1;
    for (let index = 0; index < count; index += 1)
      state.push(finding({ check: 'container.memory-limit', on: `c${String(state.length)}-日本"]\\` }));
    const made = await commitEvents(store, commit({ sequence, snapshot: sequence === 1, put: state.slice(-count) }));
    sent.push(...made);
    for (const one of made) eventBus.publish({ type: 'finding', event: one });
  };
  // Without jitter a receiver that is back is found soon.
  const worker = startDeliveryWorker({ store, sink, eventBus, clock, log: collectLines(lines), random: () => 0 });
  t.teardown(async () => {
    await worker.stop();
    await store.close();
  });
  return { store, worker, happen, sent, lines };
}

const missing = (sent: readonly OutboxEvent[], found: readonly OcsfEvent[]): readonly string[] => {
  const uids = new Set(found.map(uidOf));
  return sent.map(({ uid }) => uid).filter((uid) => !uids.has(uid));
};

t.jobs = 2;

for (const { name, absent, start, acceptsAnyName } of RECEIVERS)
  void t.test(`${name} with TLS and client certificates`, { skip: absent, buffered: true }, async (t) => {
    const directory = t.testdir();
    const { tls, ca, permitted, other } = await certificates(directory);
    const receiver = await start(directory, tls);
    t.teardown(() => receiver.stop());

    await t.test('a refused client reports an error, and nothing counts as sent', async (t) => {
      const none = { ca, cert: 'none', key: 'none' };
      for (const paths of acceptsAnyName ? [none] : [none, { ca, ...other }]) {
        const sink = sinkTo(receiver, paths);
        // On a busy machine the refusal can arrive after the first write.
        await until(async () => {
          const outcome = await sink.send(events(1, 3));
          t.notOk('acknowledged' in outcome && outcome.acknowledged, 'nothing is acknowledged');
          return outcome.outcome === 'retry' && /certificate.*sink-syslog-cert/.test(outcome.reason);
        });
        await sink.close();
      }
      t.same(receiver.raw(), []);
    });

    await t.test('all events, in order, byte by byte', async (t) => {
      const sink = sinkTo(receiver, { ca, ...permitted });
      const batch = events(1, 700, {
        reason: 'é日本😀 "quoted" ]\\ \u0000\u001b[31m\u009b\u2028 #012',
        nodeName: 'wéb 1',
      });
      t.equal((await sink.send(batch.slice(0, 400))).outcome, 'ok');
      t.equal((await sink.send(batch.slice(400))).outcome, 'ok');
      t.match(await sink.send([]), { outcome: 'ok', acknowledged: 700 });
      t.same(ocsfIn(receiver), JSON.parse(JSON.stringify(batch.map(ocsfOf))), 'what was confirmed is there at once');
      const [first] = receiver.fields();
      t.match(first, {
        hostname: 'w_b_1',
        appName: 'plimsoll',
        procId: '4711',
        msgId: 'finding-opened',
        priority: '130', // local0.crit: 16 * 8 + 2
        timestamp: /^2026-06-01T00:00:00\.000(?:Z|\+00:00)$/,
        structuredData:
          '[plimsoll@32473 node="n1" name="wéb 1" check="container.privileged" verdict="fail" action="opened" uid="store-1-time"]',
      });
      t.same(JSON.parse(first?.text ?? ''), JSON.parse(JSON.stringify(ocsfOf(batch[0] as OutboxEvent))));
      await sink.close();
    });
  });

for (const { name, absent, start } of RECEIVERS)
  void t.test(`${name} with TLS, without client certificates`, { skip: absent, buffered: true }, async (t) => {
    const directory = t.testdir();
    const { tls, ca } = await certificates(directory);
    const receiver = await start(directory, { ca, cert: tls.cert, key: tls.key });
    t.teardown(() => receiver.stop());
    const sink = sinkTo(receiver, { ca, cert: 'none', key: 'none' });
    t.equal((await sink.send(events(1, 20))).outcome, 'ok');
    t.match(await sink.send([]), { outcome: 'ok', acknowledged: 20 });
    t.equal(ocsfIn(receiver).length, 20);
    await sink.close();
    mkdirSync(join(directory, 'foreign'));
    const { ca: foreign } = await certificates(join(directory, 'foreign'));
    const suspicious = sinkTo(receiver, { ca: foreign, cert: 'none', key: 'none' });
    t.match(await suspicious.send(events(21, 21)), { outcome: 'retry', reason: /not issued by an authority in/ });
    await suspicious.close();
    t.equal(ocsfIn(receiver).length, 20);
  });

// Without TLS, the two drivers of rsyslogd are one program.
for (const { name, absent, start } of RECEIVERS.filter((one) => one.acceptsAnyName === undefined)) {
  void t.test(`the promises of every sink, to ${name}`, { skip: absent, buffered: true }, async (t) => {
    await sinkConformance(t, async (t) => {
      const receiver = await start(t.testdir());
      t.teardown(() => receiver.stop());
      let isAway = false;
      return {
        open: () => sinkTo(receiver, undefined, 400),
        received: () => ocsfIn(receiver),
        interrupt: async () => {
          isAway = true;
          await receiver.stop('SIGKILL');
        },
        restore: async () => {
          if (isAway) await receiver.start();
          isAway = false;
        },
      };
    });
  });

  void t.test(`${name} is down while events happen, twice`, { skip: absent, buffered: true }, async (t) => {
    const directory = t.testdir();
    const { tls, ca, permitted } = await certificates(directory);
    const receiver = await start(directory, tls);
    t.teardown(() => receiver.stop());
    const { happen, sent, worker, store } = await collectorTo(t, directory, sinkTo(receiver, { ca, ...permitted }));
    await happen(50);
    await until(() => receiver.raw().length >= 50);
    for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
      await receiver.stop(signal);
      for (let times = 0; times < 10; times += 1) await happen(30);
      await until(() => worker.status().state === 'retrying');
      t.match(worker.status(), { lastError: /nothing listens there|ended the connection|broke/ });
      await receiver.start();
      await until(() => missing(sent, ocsfIn(receiver)).length === 0, RECOVERY_MS);
    }
    t.same(missing(sent, ocsfIn(receiver)), []);
    t.equal(sent.length, 650);
    // It counts once the sink has answered, which may be after the receiver has written.
    await until(() => worker.status().delivered >= 650);
    t.equal(worker.status().delivered, 650, 'what was sent again is counted once');
    await worker.stop();
    t.equal(await store.cursor('syslog'), sent.at(-1)?.position, 'the last events were acknowledged at the end');
  });

  void t.test(
    `${name} is killed again and again in the midst of events`,
    { skip: absent, buffered: true },
    async (t) => {
      const directory = t.testdir();
      const receiver = await start(directory);
      t.teardown(() => receiver.stop());
      const { happen, sent } = await collectorTo(t, directory, sinkTo(receiver, undefined, 400));
      for (let round = 0; round < 3; round += 1) {
        const before = receiver.raw().length;
        await happen(400);
        // It has read some of them, and has not read the others.
        await until(() => receiver.raw().length > before);
        await receiver.stop('SIGKILL');
        await happen(20);
        await receiver.start();
      }
      await until(() => missing(sent, ocsfIn(receiver)).length === 0, RECOVERY_MS);
      const all = ocsfIn(receiver);
      t.same(missing(sent, all), [], 'nothing is missing');
      const byUid = new Map<string, string>();
      const contentOf = (one: OcsfEvent): string => JSON.stringify({ ...one, metadata: undefined });
      for (const one of all) {
        const first = byUid.get(uidOf(one));
        if (first === undefined) byUid.set(uidOf(one), contentOf(one));
        else if (first !== contentOf(one)) t.fail('two events with one uid');
      }
      t.equal(byUid.size, sent.length, `${String(all.length - byUid.size)} came twice, with the same uid`);
    },
  );
}
