import { existsSync, readFileSync, renameSync } from 'node:fs';
import { once } from 'node:events';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import t from 'tap';
import type { Test } from 'tap';
import { createNdjsonSink } from '../../../collector/sink/ndjson.ts';
import type { OcsfEvent } from '../../../collector/event/ocsf/ocsf.ts';
import type { Sink } from '../../../collector/sink/sink.ts';
import { openSyslogConnection } from '../../../collector/sink/syslog-connection.ts';
import type { ClientTls } from '../../../collector/sink/client-tls.ts';
import { createSyslogSink } from '../../../collector/sink/syslog.ts';
import { systemClock } from '../../../service/clock.ts';
import { issueCertificate } from '../../../service/tls/issue.ts';
import { sinkConformance } from './conformance.ts';
import type { SinkUnderTest } from './conformance.ts';
import { render } from './events.ts';
import { startSyslogReceiver } from './syslog-receiver.ts';
import type { SyslogReceiver } from './syslog-receiver.ts';

const parse = (lines: string): readonly OcsfEvent[] =>
  lines
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as OcsfEvent);

async function ndjsonFile(t: Test): Promise<SinkUnderTest> {
  const directory = t.testdir({ logs: {} });
  const folder = join(directory, 'logs');
  const path = join(folder, 'events.ndjson');
  return {
    open: () =>
      createNdjsonSink({ name: 'ndjson', target: { kind: 'file', path, maxBytes: 1024 ** 3, keep: 1 }, render }),
    received: () => (existsSync(path) ? parse(readFileSync(path, 'utf8')) : []),
    interrupt: () => renameSync(folder, join(directory, 'away')),
    restore: () => renameSync(join(directory, 'away'), folder),
  };
}

async function ndjsonStream(): Promise<SinkUnderTest> {
  let kept = '';
  const openStream = (): PassThrough => {
    const stream = new PassThrough();
    stream.setEncoding('utf8').on('data', (text: string) => void (kept += text));
    return stream;
  };
  let stream = openStream();
  return {
    open: () => createNdjsonSink({ name: 'ndjson', target: { kind: 'stream', stream }, render }),
    received: async () => {
      await new Promise(setImmediate);
      return parse(kept);
    },
    interrupt: async () => {
      const closed = once(stream, 'close');
      stream.destroy();
      await closed;
    },
    restore: () => {
      if (stream.destroyed) stream = openStream();
    },
  };
}

const clock = systemClock();

function toReceiver(receiver: SyslogReceiver, tls?: ClientTls): SinkUnderTest {
  const address = { host: '127.0.0.1', port: receiver.port };
  let isAway = false;
  const open = (): Sink =>
    createSyslogSink({
      name: 'syslog',
      clock,
      render,
      frame: { facility: 'local0', maxBytes: 8000, procId: '1' },
      open: () => openSyslogConnection({ address, clock, ...(tls && { tls }) }),
      replay: 400,
    });
  return {
    open,
    received: receiver.received,
    interrupt: () => {
      isAway = true;
      return receiver.stop();
    },
    restore: async () => {
      if (isAway) await receiver.start();
      isAway = false;
    },
  };
}

await t.test('NDJSON to a file', (t) => sinkConformance(t, ndjsonFile));

await t.test('NDJSON to a stream', (t) => sinkConformance(t, ndjsonStream));

await t.test('syslog over TCP', (t) =>
  sinkConformance(t, async (t) => {
    const receiver = await startSyslogReceiver();
    t.teardown(() => receiver.stop());
    return toReceiver(receiver);
  }),
);

await t.test('syslog over TLS with a client certificate', async (t) => {
  const authority = await issueCertificate({ kind: 'authority' }, undefined, clock.now());
  const server = await issueCertificate({ kind: 'server', names: ['127.0.0.1'] }, authority, clock.now());
  const client = await issueCertificate({ kind: 'node', nodeId: 'collector' }, authority, clock.now());
  const ca = authority.certificatePem;
  await sinkConformance(t, async (t) => {
    const receiver = await startSyslogReceiver({
      ca,
      cert: server.certificatePem,
      key: server.keyPem,
      requestCert: true,
      rejectUnauthorized: true,
    });
    t.teardown(() => receiver.stop());
    return toReceiver(receiver, { ca, cert: client.certificatePem, key: client.keyPem });
  });
});
