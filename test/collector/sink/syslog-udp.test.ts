import { createSocket } from 'node:dgram';
import type { Socket } from 'node:dgram';
import { once } from 'node:events';
import t from 'tap';
import type { Test } from 'tap';
import type { OcsfEvent } from '../../../collector/event/ocsf/ocsf.ts';
import type { Sink } from '../../../collector/sink/sink.ts';
import { openSyslogConnection } from '../../../collector/sink/syslog-connection.ts';
import { createSyslogUdpSink } from '../../../collector/sink/syslog-udp.ts';
import { createSyslogSink } from '../../../collector/sink/syslog.ts';
import { systemClock } from '../../../service/clock.ts';
import { findRsyslogd, startRsyslog, until } from '../../component/rsyslog.ts';
import type { SyslogDaemon } from '../../component/rsyslog.ts';
import { findSyslogNg, startSyslogNg } from '../../component/syslog-ng.ts';
import { sinkConformance } from './conformance.ts';
import { event, events, ocsfOf, render } from './events.ts';
import { parseMessage } from './rfc5424.ts';

const clock = systemClock();
const frame = { facility: 'local0', maxBytes: 8000, procId: '1' } as const;

interface DatagramReceiver {
  readonly port: () => number;
  readonly datagrams: readonly Buffer[];
  readonly start: () => Promise<void>;
  readonly stop: () => Promise<void>;
}

async function startReceiver(t: Test): Promise<DatagramReceiver> {
  const datagrams: Buffer[] = [];
  let socket: Socket | undefined;
  let port = 0;
  const start = async (): Promise<void> => {
    const opened = createSocket({ type: 'udp4', recvBufferSize: 200 * 1024 });
    socket = opened;
    opened.on('message', (datagram) => datagrams.push(datagram));
    opened.bind(port, '127.0.0.1');
    await once(opened, 'listening');
    ({ port } = opened.address());
  };
  const stop = async (): Promise<void> => {
    if (socket === undefined) return;
    const closed = once(socket, 'close');
    socket.close();
    socket = undefined;
    await closed;
  };
  await start();
  t.teardown(stop);
  return { port: () => port, datagrams, start, stop };
}

const sinkTo = (port: number, maxBytes: number = frame.maxBytes): Sink =>
  createSyslogUdpSink({
    name: 'syslog',
    clock,
    render,
    frame: { ...frame, maxBytes },
    address: { host: '127.0.0.1', port },
  });

const eventIn = (message: Buffer): OcsfEvent => JSON.parse(parseMessage(message).text) as OcsfEvent;

void t.test('UDP: the promises of every sink, to a receiver of this machine', (t) =>
  sinkConformance(t, async (t) => {
    const receiver = await startReceiver(t);
    let isAway = false;
    return {
      open: () => sinkTo(receiver.port()),
      received: () => receiver.datagrams.map(eventIn),
      interrupt: async () => {
        isAway = true;
        await receiver.stop();
      },
      restore: async () => {
        if (isAway) await receiver.start();
        isAway = false;
      },
    };
  }),
);

void t.test('UDP: a message never exceeds what a datagram holds, whatever the setting', async (t) => {
  const receiver = await startReceiver(t);
  const sink = sinkTo(receiver.port(), 1024 * 1024);
  t.teardown(() => sink.close());
  const evidence = [{ source: 'x', seen: 'y'.repeat(100_000), expected: '' }];
  t.match(await sink.send([event(1, { evidence })]), { outcome: 'ok' });
  const [datagram] = receiver.datagrams;
  t.ok(datagram !== undefined && datagram.length <= 65_507);
  t.match(datagram && eventIn(datagram), { metadata: { is_truncated: true } });
});

void t.test('UDP: a name that does not exist is reported', async (t) => {
  const address = { host: 'no.such.name.invalid', port: 514 };
  const sink = createSyslogUdpSink({ name: 'syslog', clock, render, frame, address });
  t.teardown(() => sink.close());
  t.match(await sink.send(events(1, 2)), { outcome: 'retry', reason: /could not be resolved/ });
});

async function rsyslogd(program: string, directory: string): Promise<SyslogDaemon> {
  const receiver = await startRsyslog(program, directory);
  // It listens on the UDP port of the same number once that is known.
  await receiver.stop();
  await receiver.start();
  return receiver;
}

const DAEMONS = [
  { name: 'rsyslogd', found: findRsyslogd(), start: rsyslogd },
  {
    name: 'syslog-ng',
    found: findSyslogNg(),
    start: (program: string, directory: string) => startSyslogNg(program, directory, { framing: 'newline' }),
  },
];

for (const { name, found, start } of DAEMONS)
  void t.test(
    `${name} reads datagrams, and messages that end with a line feed`,
    { skip: 'reason' in found && found.reason },
    async (t) => {
      if ('reason' in found) return;
      const receiver = await start(found.program, t.testdir());
      t.teardown(() => receiver.stop());
      const batch = events(1, 100, { reason: 'é日本😀 "quoted" ]\\ \u0000\n\u001b[31m', nodeName: 'wéb\n1' });
      const wanted: unknown = JSON.parse(JSON.stringify(batch.map(ocsfOf)));
      const udp = sinkTo(receiver.port);
      t.teardown(() => udp.close());
      t.match(await udp.send(batch), { outcome: 'ok' });
      await until(() => receiver.raw().length >= 100);
      t.same(receiver.raw().map(eventIn), wanted);
      const address = { host: '127.0.0.1', port: receiver.port };
      const tcp = createSyslogSink({
        name: 'syslog',
        clock,
        render,
        frame: { ...frame, framing: 'newline' },
        open: () => openSyslogConnection({ address, clock }),
        replay: 400,
      });
      t.teardown(() => tcp.close());
      t.match(await tcp.send(batch), { outcome: 'ok' });
      t.match(await tcp.send([]), { outcome: 'ok', acknowledged: 100 });
      t.same(receiver.raw().slice(100).map(eventIn), wanted);
    },
  );
