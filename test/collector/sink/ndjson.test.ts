import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, renameSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import t from 'tap';
import { createNdjsonSink } from '../../../collector/sink/ndjson.ts';
import type { NdjsonTarget } from '../../../collector/sink/ndjson.ts';
import type { RotatedFileOptions } from '../../../service/rotated-file.ts';
import type { Sink } from '../../../collector/sink/sink.ts';
import type { OutboxEvent } from '../../../collector/store/stored-event.ts';
import { finding, T0 } from '../store/fleet.ts';

/** Renders an event as its uid alone: a line of known length. */
function sinkTo(target: NdjsonTarget): Sink {
  return createNdjsonSink({ name: 'ndjson', target, render: async (batch) => batch.map(({ uid }) => ({ uid })) });
}

function fileSink(path: string, over: Partial<RotatedFileOptions> = {}): Sink {
  return sinkTo({ kind: 'file', path, maxBytes: 1_000_000, keep: 3, ...over });
}

function events(...uids: readonly string[]): readonly OutboxEvent[] {
  const stored = { ...finding(), uid: 'f', nodeId: 'n1', nodeName: 'web-1', firstSeenMs: T0, changedMs: T0 };
  return uids.map((uid, index) => ({ position: index + 1, uid, action: 'opened', atMs: T0, finding: stored }));
}

/** Uids in a file, in order; a line that is no JSON shows as it is. */
function uids(path: string): readonly string[] {
  const content = readFileSync(path, 'utf8');
  return content
    .split('\n')
    .slice(0, -1)
    .map((line) => (line.endsWith('}') ? (JSON.parse(line) as { uid: string }).uid : `torn ${line}`));
}

await t.test('lines in a file of its owner, appended over restarts', async (t) => {
  const path = join(t.testdir(), 'events.ndjson');
  const first = fileSink(path);
  t.same(await first.send(events('a', 'b')), { outcome: 'ok' });
  t.same(await first.send(events('c')), { outcome: 'ok' });
  await first.close();
  t.equal(readFileSync(path, 'utf8'), '{"uid":"a"}\n{"uid":"b"}\n{"uid":"c"}\n');
  t.equal(statSync(path).mode & 0o777, 0o600);
  const second = fileSink(path);
  await second.send(events('d'));
  await second.close();
  t.same(uids(path), ['a', 'b', 'c', 'd']);
});

await t.test('a line that a crash tore is ended, and the event comes again', async (t) => {
  const path = join(t.testdir({ 'events.ndjson': '{"uid":"a"}\n{"uid":"b' }), 'events.ndjson');
  const sink = fileSink(path);
  await sink.send(events('b', 'c'));
  await sink.close();
  t.same(uids(path), ['a', 'torn {"uid":"b', 'b', 'c']);
});

await t.test('rotation: no file beyond its size, as many as are kept, no line lost', async (t) => {
  const directory = t.testdir();
  const path = join(directory, 'events.ndjson');
  // A line `{"uid":"x1"}\n` has 13 bytes: three fit in 40.
  const sink = fileSink(path, { maxBytes: 40, keep: 2 });
  await sink.send(events('x1', 'x2'));
  await sink.send(events('x3', 'x4', 'x5', 'x6', 'x7'));
  await sink.send(events('x8'));
  await sink.close();
  t.same([`${path}.2`, `${path}.1`, path].map(uids), [
    ['x1', 'x2', 'x3'],
    ['x4', 'x5', 'x6'],
    ['x7', 'x8'],
  ]);
  const again = fileSink(path, { maxBytes: 40, keep: 2 });
  await again.send(events('x9', 'y1', 'this-one-is-longer-than-a-whole-file-may-be', 'y2'));
  await again.close();
  t.same(uids(`${path}.2`), ['y1']);
  t.same(uids(`${path}.1`), ['this-one-is-longer-than-a-whole-file-may-be'], 'it has a file of its own');
  t.same(uids(path), ['y2']);
  t.notOk(existsSync(`${path}.3`));
  const none = fileSink(path, { maxBytes: 40, keep: 0 });
  await none.send(events('z1', 'z2', 'z3'));
  await none.close();
  t.same(uids(path), ['z3'], 'kept none: the full file is gone');
  t.same(uids(`${path}.2`), ['y1'], 'what others set aside is left alone');
});

await t.test('a file that was moved away: a new one is begun', async (t) => {
  const path = join(t.testdir(), 'events.ndjson');
  const sink = fileSink(path);
  await sink.send(events('a'));
  renameSync(path, `${path}.moved`);
  await sink.send(events('b'));
  await sink.close();
  t.same(uids(`${path}.moved`), ['a']);
  t.same(uids(path), ['b']);
});

await t.test('what cannot be written now is tried again, and works once it can', async (t) => {
  const directory = t.testdir({ occupied: {} });
  const absent = fileSink(join(directory, 'later', 'events.ndjson'));
  t.match(await absent.send(events('a')), { outcome: 'retry', reason: /ENOENT/ });
  mkdirSync(join(directory, 'later'));
  t.same(await absent.send(events('a')), { outcome: 'ok' });
  await absent.close();
  const occupied = fileSink(join(directory, 'occupied'));
  t.match(await occupied.send(events('a')), { outcome: 'retry', reason: /EISDIR/ });
  await occupied.close();
  execFileSync('mkfifo', [join(directory, 'fifo')]);
  const fifo = fileSink(join(directory, 'fifo'));
  t.match(await fifo.send(events('a')), { outcome: 'retry', reason: /not a regular file/ }, 'and it does not hang');
  await fifo.close();
});

const mounted = spawnSync('unshare', ['-m', 'mount', '-t', 'tmpfs', 'none', '/mnt']).status === 0;
await t.test('a full disk', { skip: mounted ? false : 'no permission to mount a tmpfs' }, async (t) => {
  const directory = t.testdir();
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'none', directory]);
  try {
    const path = join(directory, 'events.ndjson');
    const sink = fileSink(path);
    await sink.send(events('a'));
    writeFileSync(join(directory, 'ballast'), Buffer.alloc(48 * 1024));
    const many = Array.from({ length: 3000 }, (_, index) => `event-${String(index)}`);
    t.match(await sink.send(events(...many)), { outcome: 'retry', reason: /ENOSPC/ });
    t.same(uids(path), ['a'], 'what was written in part is cut off again');
    execFileSync('rm', [join(directory, 'ballast')]);
    t.same(await sink.send(events(...many.slice(0, 1000))), { outcome: 'ok' });
    t.same(uids(path), ['a', ...many.slice(0, 1000)]);

    truncateSync(path);
    writeFileSync(join(directory, 'ballast'), Buffer.alloc(60 * 1024));
    t.match(await sink.send(events(...many)), { outcome: 'retry', reason: /ENOSPC/ });
    t.notOk(readFileSync(path).includes(0), 'a truncated file is not extended');
    execFileSync('rm', [join(directory, 'ballast')]);
    t.same(await sink.send(events('b')), { outcome: 'ok' });
    t.same(uids(path), ['b']);
    await sink.close();
  } finally {
    execFileSync('umount', ['--lazy', directory]);
  }
});

await t.test('a stream gets the same lines; once its reader is gone, the sink pauses', async (t) => {
  const stream = new PassThrough();
  const all = text(stream);
  const sink = sinkTo({ kind: 'stream', stream });
  t.same(await sink.send(events('a', 'b')), { outcome: 'ok' });
  await sink.close();
  stream.end();
  t.equal(await all, '{"uid":"a"}\n{"uid":"b"}\n');

  const reader = spawn('true');
  await once(reader, 'exit');
  const broken = sinkTo({ kind: 'stream', stream: reader.stdin });
  let outcome = await broken.send(events('a'));
  // What the pipe still takes is not an error.
  for (let times = 0; outcome.outcome === 'ok' && times < 10; times += 1) outcome = await broken.send(events('b'));
  t.match(outcome, { outcome: 'pause', reason: /EPIPE|DESTROYED/ });
  await broken.close();
});
