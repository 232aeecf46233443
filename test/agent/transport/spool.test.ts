import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import * as fc from 'fast-check';
import t from 'tap';
import { openSpool } from '../../../agent/transport/spool.ts';
import type { Spool } from '../../../agent/transport/spool.ts';
import type { FindingDelta } from '../../../proto/fleet.ts';
import type { Logger } from '../../../service/log.ts';
import { createFakeClock } from '../../service/fake-clock.ts';
import { cannotMount, mountSmall } from '../../component/tmpfs.ts';

const MIB = 1024 * 1024;
const SILENT: Logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

function open(directory: string, maxBytes = 64 * MIB): Spool {
  return openSpool({ directory, maxBytes, clock: createFakeClock(), log: SILENT });
}

function freshDirectory(test: { readonly teardown: (run: () => void) => void }): string {
  const directory = mkdtempSync(join(tmpdir(), 'plimsoll-spool-'));
  test.teardown(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** A delta whose content can be told from every other. */
function delta(mark: string): FindingDelta {
  return { gone: [mark], observedAtMs: 1_700_000_000_000, last: true };
}

function waiting(spool: Spool, from = 0): readonly { readonly sequence: number; readonly mark: string }[] {
  const found: { readonly sequence: number; readonly mark: string }[] = [];
  for (let next = spool.after(from); next !== undefined; next = spool.after(next.sequence ?? 0))
    found.push({ sequence: next.sequence ?? 0, mark: next.gone?.[0] ?? '' });
  return found;
}

/** Heals a new spool: from then on a full transfer is needed only for a reason. */
function heal(spool: Spool): number {
  const sequence = spool.beginSnapshot();
  spool.ack(sequence);
  return sequence;
}

void t.test('a new spool wants a full transfer; after it deltas wait in order and go when they are committed', (t) => {
  const directory = freshDirectory(t);
  const spool = open(directory);
  t.equal(spool.status().resync, 'a new spool');
  t.equal(heal(spool), 1);
  t.equal(spool.status().resync, undefined);
  t.equal(spool.append(delta('a')), 2);
  t.equal(spool.append(delta('b')), 3);
  t.same(waiting(spool), [
    { sequence: 2, mark: 'a' },
    { sequence: 3, mark: 'b' },
  ]);
  spool.ack(2);
  t.same(waiting(spool, 2), [{ sequence: 3, mark: 'b' }]);
  t.equal(spool.status().pending, 1);
  spool.ack(99);
  t.equal(spool.status().acked, 2, 'nobody can commit what was never sent');
  t.equal(statSync(join(directory, 'state')).mode & 0o777, 0o600);
  spool.close();
  t.end();
});

void t.test('it goes on where it was: epoch, sequences, what waits and what is needed', (t) => {
  const directory = freshDirectory(t);
  const first = open(directory);
  heal(first);
  first.append(delta('a'));
  const { epoch } = first.status();
  first.close();
  const second = open(directory);
  t.match(second.status(), { epoch, last: 2, acked: 1, pending: 1, resync: undefined });
  t.equal(second.append(delta('b')), 3);
  second.ack(3);
  second.requireResync('the digest differs');
  second.close();
  const third = open(directory);
  t.match(third.status(), { epoch, last: 3, acked: 3, pending: 0, resync: 'the digest differs' });
  const snapshot = third.beginSnapshot();
  t.equal(snapshot, 4);
  third.close();
  const fourth = open(directory);
  t.match(fourth.status(), { last: 4, resync: 'the digest differs' }, 'begun is not committed');
  const again = fourth.beginSnapshot();
  fourth.append(delta('c'));
  fourth.ack(again);
  t.match(fourth.status(), { last: 6, pending: 1, resync: undefined });
  fourth.close();
  t.end();
});

void t.test('a need that arises after a snapshot outlives it', (t) => {
  const spool = open(freshDirectory(t), MIB);
  const snapshot = spool.beginSnapshot();
  spool.append(delta('x'.repeat(2 * MIB)));
  spool.ack(snapshot);
  t.equal(spool.status().resync, 'the spool was full');
  heal(spool);
  t.equal(spool.status().resync, undefined);
  spool.close();
  t.end();
});

void t.test('it stays within its bound; what is dropped is counted, and the need of a transfer is on disk', (t) => {
  const directory = freshDirectory(t);
  const spool = open(directory, MIB);
  heal(spool);
  const large = 'x'.repeat(100_000);
  for (let index = 0; index < 10; index += 1) spool.append(delta(large));
  t.match(spool.status(), { dropped: 0, pending: 10, resync: undefined });
  spool.append(delta(large));
  t.match(spool.status(), { dropped: 11, pending: 0, last: 12, resync: 'the spool was full' });
  for (let index = 0; index < 50; index += 1) {
    spool.append(delta(large));
    t.ok(bytesIn(directory) <= MIB + 1024);
  }
  spool.close();
  t.equal(open(directory).status().resync, 'the spool was full');
  t.end();
});

void t.test('what is committed makes room, also while later deltas wait', (t) => {
  const directory = freshDirectory(t);
  const spool = open(directory, MIB);
  let sequence = heal(spool);
  for (let index = 0; index < 200; index += 1) {
    sequence = spool.append(delta('x'.repeat(50_000)));
    // Two always wait.
    spool.ack(sequence - 2);
  }
  t.match(spool.status(), { dropped: 0, pending: 2, resync: undefined });
  t.ok(bytesIn(directory) < MIB);
  spool.ack(sequence);
  spool.append(delta('y'));
  spool.ack(sequence + 1);
  t.ok(bytesIn(directory) < 400_000, 'and nothing large stays behind');
  spool.close();
  t.end();
});

void t.test('the collector knows more than the spool (a power cut): it goes on after that', (t) => {
  const spool = open(freshDirectory(t));
  heal(spool);
  spool.append(delta('a'));
  spool.skipTo(40);
  t.match(spool.status(), { last: 40, acked: 40, pending: 0 });
  t.match(spool.status().resync, /knows more/);
  t.equal(heal(spool), 41);
  t.equal(spool.status().resync, undefined);
  spool.close();
  t.end();
});

function bytesIn(directory: string): number {
  return readdirSync(directory).reduce((sum, name) => sum + statSync(join(directory, name)).size, 0);
}

/** A closed spool with `marks` waiting after sequence 1. Answers the path of its only segment. */
function writeSpool(directory: string, marks: readonly string[]): string {
  const spool = open(directory);
  heal(spool);
  for (const mark of marks) spool.append(delta(mark));
  spool.close();
  const segment = readdirSync(directory).find((name) => name.startsWith('segment-'));
  return join(directory, segment ?? '');
}

const marksOf = fc.array(fc.string({ unit: 'binary', maxLength: 60 }), { minLength: 1, maxLength: 8 });

void t.test('cut at any byte: a prefix comes back, exactly, and the loss is known', (t) => {
  fc.assert(
    fc.property(marksOf, fc.nat(), (marks, at) => {
      const directory = mkdtempSync(join(tmpdir(), 'plimsoll-spool-'));
      try {
        const written = marks.map((mark) => mark.toWellFormed());
        const segment = writeSpool(directory, written);
        const cut = at % (statSync(segment).size + 1);
        truncateSync(segment, cut);
        const spool = open(directory);
        const found = waiting(spool).map(({ mark }) => mark);
        t.same(found, written.slice(0, found.length));
        t.equal(spool.status().resync === undefined, found.length === written.length);
        // And it can go on: a new delta comes back after a further start.
        const sequence = spool.append(delta('later'));
        t.ok(sequence > written.length + 1, 'no sequence is given twice');
        spool.close();
        const reopened = open(directory);
        t.same(
          waiting(reopened).map(({ mark }) => mark),
          [...found, 'later'],
        );
        reopened.close();
      } finally {
        rmSync(directory, { recursive: true });
      }
    }),
    { numRuns: 60 },
  );
  t.end();
});

void t.test('any byte changed: a prefix comes back, nothing that was not written, and the loss is known', (t) => {
  fc.assert(
    fc.property(marksOf, fc.nat(), fc.integer({ min: 1, max: 255 }), (marks, at, change) => {
      const directory = mkdtempSync(join(tmpdir(), 'plimsoll-spool-'));
      try {
        const written = marks.map((mark) => mark.toWellFormed());
        const segment = writeSpool(directory, written);
        const bytes = readFileSync(segment);
        const offset = at % bytes.length;
        bytes[offset] = (bytes[offset] ?? 0) ^ change;
        writeFileSync(segment, bytes);
        const spool = open(directory);
        const found = waiting(spool).map(({ mark }) => mark);
        t.ok(found.length < written.length);
        t.same(found, written.slice(0, found.length));
        t.match(spool.status(), { damaged: 1, resync: /damaged/ });
        t.ok(spool.status().dropped >= 1, 'the collector hears that something was lost');
        spool.close();
      } finally {
        rmSync(directory, { recursive: true });
      }
    }),
    { numRuns: 60 },
  );
  t.end();
});

void t.test('damage under a running spool is found when it is read', (t) => {
  const directory = freshDirectory(t);
  const segment = writeSpool(directory, ['one', 'two', 'three']);
  const spool = open(directory);
  const bytes = readFileSync(segment);
  bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
  writeFileSync(segment, bytes);
  t.same(
    waiting(spool).map(({ mark }) => mark),
    ['one', 'two'],
  );
  t.match(spool.status(), { damaged: 1, pending: 2, resync: /damaged/ });
  t.ok(spool.status().dropped >= 1);
  spool.close();
  t.end();
});

void t.test('a damaged state: one slot is enough; without both the spool begins anew', (t) => {
  const directory = freshDirectory(t);
  writeSpool(directory, ['one']);
  const path = join(directory, 'state');
  const bytes = readFileSync(path);
  const before = open(directory);
  const { epoch } = before.status();
  before.close();
  for (const slot of [0, 1]) {
    const damaged = Buffer.from(bytes);
    damaged.fill(0, slot * 512, slot * 512 + 100);
    writeFileSync(path, damaged);
    const spool = open(directory);
    t.equal(spool.status().epoch, epoch);
    t.same(
      waiting(spool).map(({ mark }) => mark),
      ['one'],
    );
    spool.close();
  }
  writeFileSync(path, 'garbage');
  const spool = open(directory);
  t.not(spool.status().epoch, epoch);
  t.match(spool.status(), { pending: 0, last: 0, resync: 'a new spool' });
  spool.close();
  t.end();
});

const SPOOL_MODULE = fileURLToPath(new URL('../../../agent/transport/spool.ts', import.meta.url));
const CLOCK_MODULE = fileURLToPath(new URL('../../../service/clock.ts', import.meta.url));
/** Appends for ever and tells each sequence once `append` has returned. */
const WRITER = `
const { openSpool } = await import(${JSON.stringify(SPOOL_MODULE)});
const { systemClock } = await import(${JSON.stringify(CLOCK_MODULE)});
const nothing = () => {};
const log = { debug: nothing, info: nothing, warn: nothing, error: nothing };
const spool = openSpool({ directory: process.argv[1], maxBytes: 64 * 1024 * 1024, clock: systemClock(), log });
const write = () => {
  for (let index = 0; index < 50; index += 1) console.log(spool.append({ gone: ['x'.repeat(5000)] }));
  setImmediate(write);
};
write();
`;

void t.test('SIGKILL in the middle of writing loses nothing that append had taken', async (t) => {
  const directory = freshDirectory(t);
  const child = spawn(process.execPath, ['--input-type=module', '-e', WRITER, directory]);
  let told = 0;
  for await (const line of createInterface(child.stdout)) {
    told = Number(line);
    if (told === 300) child.kill('SIGKILL');
  }
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  const spool = open(directory);
  const sequences = waiting(spool).map(({ sequence }) => sequence);
  t.ok(sequences.length >= told, `${String(sequences.length)} of ${String(told)}`);
  t.same(
    sequences,
    sequences.map((_, index) => index + 1),
  );
  spool.close();
});

void t.test(
  'a full disk is counted, never thrown, and healed when there is room again',
  { skip: cannotMount() },
  (t) => {
    const directory = mountSmall(t, '256k');
    const spool = open(directory);
    heal(spool);
    for (let index = 0; index < 10; index += 1) spool.append(delta('x'.repeat(50_000)));
    const { dropped, pending, resync } = spool.status();
    t.ok(dropped > 0 && pending > 0 && dropped + pending === 10, `${String(dropped)} dropped, ${String(pending)} kept`);
    t.equal(resync, 'a delta could not be kept');
    t.equal(waiting(spool).length, pending, 'what was kept is whole');
    spool.close();
    const reopened = open(directory);
    t.match(
      reopened.status(),
      { pending, damaged: 0, resync: 'a delta could not be kept' },
      'it is on disk, disk full',
    );
    heal(reopened);
    reopened.append(delta('room again'));
    t.match(reopened.status(), { pending: 1, dropped: 0, resync: undefined });
    reopened.close();
    t.end();
  },
);
