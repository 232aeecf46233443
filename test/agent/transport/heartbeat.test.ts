import t from 'tap';
import { startHeartbeat } from '../../../agent/transport/heartbeat.ts';
import { createDeltaPublisher } from '../../../agent/transport/delta-publisher.ts';
import { createSender } from '../../../agent/transport/sender.ts';
import { openSpool } from '../../../agent/transport/spool.ts';
import type { SessionStream } from '../../../agent/transport/stream.ts';
import type { Logger } from '../../../service/log.ts';
import { createFakeClock } from '../../service/fake-clock.ts';
import { createNotifier } from '../../../service/notifier.ts';
import { spoolDirectory } from './link-node.ts';

const SILENT: Logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

void t.test('a connection that takes nothing any more is given up, also where nothing changes', async (t) => {
  const clock = createFakeClock();
  const cancelled: string[] = [];
  // As a socket is that went without a word: what is written to it is neither taken nor refused.
  const stream: SessionStream = {
    send: () => new Promise(() => undefined),
    onMessage: () => undefined,
    finish: () => undefined,
    cancel: (reason) => void cancelled.push(reason),
    ended: new Promise(() => undefined),
    isOver: () => false,
  };
  const spool = openSpool({ directory: spoolDirectory(t), maxBytes: 1024 * 1024, clock, log: SILENT });
  t.teardown(spool.close);
  const publisher = createDeltaPublisher(spool, SILENT);
  const sender = createSender({ stream, spool, publisher, clock, notifier: createNotifier(), committed: 0 });
  const usage = () => ({ rssBytes: 1, cpuMs: 1 });
  startHeartbeat({ stream, spool, publisher, sender, clock, intervalMs: 30_000, usage });
  t.notOk(sender.status().outstanding);
  await clock.advance(90_000);
  t.same(cancelled, [], 'for a minute after the first heartbeat it is only slow');
  await clock.advance(30_000);
  t.same(cancelled, ['the collector accepted nothing for 60000 ms']);
});
