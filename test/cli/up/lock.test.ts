import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { takeLock } from '../../../cli/up/lock.ts';
import { temporaryDirectory } from '../process.ts';

void t.test('one at a time', async (t) => {
  const directory = temporaryDirectory(t);
  const path = join(directory, 'up.lock');
  const first = await takeLock(directory, process.pid);
  t.equal(first.ok, true);
  t.match(readFileSync(path, 'utf8'), new RegExp(`^${String(process.pid)} \\d+\\n$`));
  const second = await takeLock(directory, process.pid);
  t.match(second, { ok: false, problem: `plimsoll up already runs on ${directory} (process ${String(process.pid)})` });
  if (first.ok) await first.release();
  t.notOk(existsSync(path));
  t.equal((await takeLock(directory, process.pid)).ok, true);
});

void t.test('a lock whose owner is gone is taken over', async (t) => {
  const dead = spawnSync('true').pid;
  // A process that has the number of the owner, but started at another time.
  for (const text of [`${String(dead)} 12345\n`, `${String(process.pid)} 1\n`, '', 'nonsense', 'x'.repeat(10_000)]) {
    const directory = temporaryDirectory(t);
    writeFileSync(join(directory, 'up.lock'), text);
    t.equal((await takeLock(directory, process.pid)).ok, true, text.slice(0, 20));
  }
});

void t.test('a directory that cannot be written', async (t) => {
  t.match(await takeLock('/proc/self/nothing', process.pid), {
    ok: false,
    problem: /could not be written/,
    hint: /--data-dir/,
  });
});
