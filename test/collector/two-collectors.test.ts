import { spawn } from 'node:child_process';
import type { ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import t from 'tap';
import type { Test } from 'tap';
import { openSqliteStore } from '../../collector/store/sqlite.ts';
import { environmentOf, PROGRAM } from '../cli/process.ts';
import { directoryOf } from './run-collector.ts';
import { commit, commitEvents, finding } from './store/fleet.ts';

/** A collector as a process, whose standard output is the receiver of its sink `ndjson`: read slowly, 64 KiB at a time. */
function start(t: Test, directory: string, onUid: (uid: string) => void) {
  const flags = ['--data-dir', directory, '--listen', '127.0.0.1:0', '--api', '127.0.0.1:0', '--sink-ndjson', '-'];
  const child: ChildProcessByStdio<null, Readable, Readable> = spawn(
    process.execPath,
    [PROGRAM, 'collector', ...flags],
    { env: environmentOf(), stdio: ['ignore', 'pipe', 'pipe'] },
  );
  t.teardown(() => child.kill('SIGKILL'));
  let [rest, errors] = ['', ''];
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
  child.stdout.setEncoding('utf8').on('readable', () => undefined);
  const timer = setInterval(() => {
    const lines = `${rest}${String(child.stdout.read(65_536) ?? child.stdout.read() ?? '')}`.split('\n');
    // What a SIGKILL left of a line stays here.
    rest = lines.pop() ?? '';
    for (const line of lines) onUid((JSON.parse(line) as { readonly metadata: { readonly uid: string } }).metadata.uid);
  }, 10);
  t.teardown(() => clearInterval(timer));
  return { child, ended: once(child, 'exit'), errors: () => errors };
}

await t.test('two processes on one store: one delivers; after its SIGKILL the other misses nothing', async (t) => {
  const directory = directoryOf(t);
  const store = await openSqliteStore({ path: join(directory, 'store.sqlite') });
  const made: string[] = [];
  for (let sequence = 1; sequence <= 5; sequence += 1) {
    const evidence = [{ source: String(sequence), seen: '', expected: '' }];
    const put = Array.from({ length: 1000 }, (_, index) =>
      finding({ check: 'container.memory-limit', on: `c${String(index)}`, evidence }),
    );
    const events = await commitEvents(store, commit({ sequence, snapshot: sequence === 1, put }));
    made.push(...events.map(({ uid }) => uid));
  }
  await store.close();

  const arrived = new Map<string, number>();
  let enough = Promise.withResolvers<undefined>();
  let wanted = 1500;
  const onUid = (uid: string): void => {
    arrived.set(uid, (arrived.get(uid) ?? 0) + 1);
    if (arrived.size >= wanted) enough.resolve(undefined);
  };
  const repeated = () => [...arrived.values()].filter((times) => times > 1).length;
  const [one, other] = [start(t, directory, onUid), start(t, directory, onUid)];
  const [loser, winner] = await Promise.race([
    one.ended.then(() => [one, other] as const),
    other.ended.then(() => [other, one] as const),
  ]);
  t.equal(loser.child.exitCode, 2);
  t.match(loser.errors(), /another collector \(process \d+\) uses/);
  await enough.promise;
  // One that hangs keeps its lock: nobody knows what it has sent.
  winner.child.kill('SIGSTOP');
  const third = start(t, directory, onUid);
  await third.ended;
  t.match(third.errors(), /another collector/);
  winner.child.kill('SIGCONT');
  t.equal(repeated(), 0, 'one process has sent, and each event once');
  winner.child.kill('SIGKILL');
  await winner.ended;

  [wanted, enough] = [made.length, Promise.withResolvers()];
  const next = start(t, directory, onUid);
  if (arrived.size < wanted) await enough.promise;
  t.same([...arrived.keys()].sort(), [...made].sort(), 'none is missing, none has another id');
  t.ok(Math.max(...arrived.values()) <= 2);
  t.comment(`${String(repeated())} of ${String(made.length)} events came again after the SIGKILL`);
  next.child.kill('SIGTERM');
  t.same(await next.ended, [0, null]);
});
