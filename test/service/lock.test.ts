import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { lockHolder, takeLock } from '../../service/lock.ts';

void t.test('one holder; a file that a killed process left decides nothing', async (t) => {
  const path = join(t.testdir(), 'lock');
  const first = takeLock(path);
  t.ok(first.ok);
  t.equal(lockHolder(path), process.pid);
  t.same(takeLock(path), { ok: false, holder: `process ${String(process.pid)}` });
  t.same(takeLock(path), { ok: false, holder: `process ${String(process.pid)}` }, 'the attempt did not end the lock');
  for (const file of [path, `${path}.db`]) t.equal(statSync(file).mode & 0o777, 0o600, file);
  if (first.ok) first.release();
  t.notOk(existsSync(path), 'left in order');
  t.equal(lockHolder(path), undefined);

  const own = `${String(process.pid)} ${readFileSync('/proc/self/stat', 'utf8').split(') ')[1]?.split(' ')[19] ?? ''}\n`;
  for (const left of [own, '4194305 1\n', 'garbage', '']) {
    writeFileSync(path, left);
    const next = takeLock(path);
    t.ok(next.ok, `left behind: ${left}`);
    if (next.ok) next.release();
  }
});

void t.test('a holder that this process cannot see', async (t) => {
  const path = join(t.testdir(), 'lock');
  const first = takeLock(path);
  writeFileSync(path, '1 0\n');
  t.match(takeLock(path), { ok: false, holder: /another container or PID namespace/ });
  if (first.ok) first.release();
});

void t.test('a place that cannot be used throws what the system says', async (t) => {
  const directory = t.testdir();
  t.throws(() => takeLock(join(directory, 'absent', 'lock')), { code: 'ENOENT' });
  const path = join(directory, 'lock');
  mkdirSync(`${path}.db`);
  t.throws(() => takeLock(path));
});
