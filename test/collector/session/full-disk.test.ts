import { closeSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { cannotMount, mountSmall } from '../../component/tmpfs.ts';
import { startCollector } from './collector.ts';
import { delta, hello, on, snapshot } from './messages.ts';

/** Takes all that is left of a file system. */
function fill(path: string): void {
  const file = openSync(path, 'w');
  for (const bytes of [65_536, 4096]) {
    const chunk = Buffer.alloc(bytes);
    try {
      for (;;) writeSync(file, chunk);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
    }
  }
  closeSync(file);
}

await t.test('a disk that fills up and is freed', { skip: cannotMount() }, async (t) => {
  const directory = mountSmall(t, '48m');
  // A fifth of what is said below fits into the queue.
  const collector = await startCollector(t, { maxQueuedFindings: 4000, maxBatchFindings: 1000 }, directory);
  const node = await collector.connect('n1');
  node.say(hello());
  await node.hearA('welcome');
  node.say(snapshot(1, [on('a')]));
  t.match(await node.hearA('ack'), { sequence: 1 });

  fill(join(directory, 'filler'));
  const evidence = [{ source: '/proc/1/status', seen: 'x'.repeat(300), expected: 'something else' }];
  const last = 101;
  for (let sequence = 2; sequence <= last; sequence += 1)
    node.say(
      delta(
        sequence,
        Array.from({ length: 200 }, (_, index) => on(`c${String(sequence)}-${String(index)}`, { evidence })),
      ),
    );
  const tries = (): number => collector.lines.filter(({ message }) => /trying again/.test(message)).length;
  while (tries() < 4) await new Promise((resolve) => setTimeout(resolve, 10));
  const committed = (await collector.store.replicationState('n1'))?.committedSequence ?? 0;
  const acked = Math.max(1, ...node.heard().map(({ ack }) => ack?.sequence ?? 0));
  t.ok(committed < last, `${String(committed)} are stored`);
  t.ok(acked <= committed, 'nothing is acked that is not stored');
  const stored = (await collector.store.counts()).reduce((sum, { count }) => sum + count, 0);
  t.equal(stored, 1 + (committed - 1) * 200, 'each delta whole or not at all');
  t.match(collector.lines.find(({ message }) => /trying again/.test(message))?.fields, { error: { code: 'full' } });
  // Beside the queue there are the windows of HTTP/2 and some messages on their way.
  const read = last - node.call.writableLength - committed;
  t.ok(
    node.call.writableLength > 0 && read <= 50,
    `${String(read)} of ${String(last)} deltas were read, the rest waits`,
  );

  rmSync(join(directory, 'filler'));
  let sequence = acked;
  while (sequence < last) sequence = Math.max(sequence, (await node.hearA('ack')).sequence ?? 0);
  t.match(await collector.store.replicationState('n1'), { committedSequence: last, findings: 1 + (last - 1) * 200 });
  t.ok(collector.lines.some(({ message }) => message === 'the store works again'));
  t.same(collector.server.sessions.connected(), ['n1'], 'in the same session');
});
