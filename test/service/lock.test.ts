import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { takeLock } from '../../service/lock.ts';

void t.test('one holder; a lock whose process is gone, or another by now, is taken over', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'plimsoll-lock-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const path = join(directory, 'lock');
  const first = takeLock(path);
  t.ok(first.ok);
  t.same(takeLock(path), { ok: false, pid: process.pid });
  if (first.ok) first.release();

  const child = spawn('sleep', ['100']);
  const { pid } = child;
  const start =
    readFileSync(`/proc/${String(pid)}/stat`, 'utf8')
      .split(') ')[1]
      ?.split(' ')[19] ?? '';
  writeFileSync(path, `${String(pid)} ${start}\n`);
  t.same(takeLock(path), { ok: false, pid });
  writeFileSync(path, `${String(pid)} ${String(Number(start) - 1)}\n`);
  const second = takeLock(path);
  t.ok(second.ok, 'the number was given to another process');
  if (second.ok) second.release();

  writeFileSync(path, `${String(pid)} ${start}\n`);
  child.kill();
  await once(child, 'exit');
  t.ok(takeLock(path).ok, 'the process is gone');
  writeFileSync(path, 'garbage');
  t.ok(takeLock(path).ok);
});
