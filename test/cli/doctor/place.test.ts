import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmdirSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { dataDirectory } from '../../../cli/doctor/diagnostics/data-directory.ts';
import { dataFileSystem } from '../../../cli/doctor/diagnostics/data-file-system.ts';
import { dataLock } from '../../../cli/doctor/diagnostics/data-lock.ts';
import { dataSpace } from '../../../cli/doctor/diagnostics/data-space.ts';
import { dataStore } from '../../../cli/doctor/diagnostics/data-store.ts';
import { operatorToken } from '../../../cli/doctor/diagnostics/operator-token.ts';
import { sinkNdjson } from '../../../cli/doctor/diagnostics/sink-ndjson.ts';
import type { InstallationDiagnostic } from '../../../cli/doctor/installation.ts';
import { openSqliteStore } from '../../../collector/store/sqlite.ts';
import { takeLock } from '../../../service/lock.ts';
import { directoryOf, installationOf } from './installation.ts';

async function examine(one: InstallationDiagnostic, flags: Readonly<Record<string, string>>) {
  return one.run(await installationOf(flags));
}

/** Mounts a file system of 4 MiB; false where this user may not. */
function mountSmall(path: string): boolean {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', path], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

const small = mkdtempSync(join(tmpdir(), 'plimsoll-small-'));
const cannotMount = mountSmall(small) ? false : 'this user may mount nothing';
t.teardown(() => {
  if (cannotMount === false) execFileSync('umount', [small]);
  rmdirSync(small);
});

void t.test('the data directory', async (t) => {
  const path = directoryOf(t);
  chmodSync(path, 0o700);
  const uid = String(process.getuid?.());
  t.strictSame(await examine(dataDirectory, { 'data-dir': path }), {
    outcome: 'ok',
    observed: `${path}, mode 0700, owner ${uid}, writable`,
    advice: '',
  });
  chmodSync(path, 0o770);
  t.match(await examine(dataDirectory, { 'data-dir': path }), {
    outcome: 'problem',
    observed: /mode 0770.*others can put files in it/,
    advice: `chmod 700 ${path}`,
  });
  chmodSync(path, 0o700);
  t.match(await examine(dataDirectory, { 'data-dir': join(path, 'a', 'b') }), {
    outcome: 'ok',
    observed: /not there yet/,
  });
  t.strictSame(readdirSync(path), [], 'and it still is not there');
  writeFileSync(join(path, 'file'), '');
  t.match(await examine(dataDirectory, { 'data-dir': join(path, 'file') }), {
    outcome: 'problem',
    observed: /no directory/,
  });
  t.match(await examine(dataDirectory, { 'data-dir': join(path, 'file', 'x') }), { outcome: 'problem' });
  t.match(await examine(dataFileSystem, { 'data-dir': '/proc/plimsoll' }), { outcome: 'problem', observed: /^procfs/ });
  if (process.getuid?.() === 0) {
    chownSync(path, 65_534, 65_534);
    t.match(await examine(dataDirectory, { 'data-dir': path }), {
      outcome: 'warning',
      observed: /owner 65534: not of the user/,
    });
  }
});

void t.test('a file system that is full', { skip: cannotMount }, async (t) => {
  writeFileSync(join(small, 'filling'), Buffer.alloc(4 * 1024 * 1024 - 200 * 1024));
  const dataDir = join(small, 'data');
  t.match(await examine(dataSpace, { 'data-dir': dataDir }), {
    outcome: 'problem',
    observed: '200 KiB of 4 MiB: changes can soon not be stored any more',
    advice: /make room/,
  });
  t.match(await examine(dataFileSystem, { 'data-dir': dataDir }), {
    outcome: 'warning',
    observed: /^tmpfs: it is gone/,
  });
  t.match(await examine(sinkNdjson, { 'data-dir': dataDir }), {
    outcome: 'problem',
    observed: /events\.ndjson, 200 KiB free/,
  });
  t.notOk(existsSync(dataDir));
});

void t.test('who uses the directory', async (t) => {
  const path = directoryOf(t);
  t.match(await examine(dataLock, { 'data-dir': path }), { outcome: 'ok', observed: 'by nobody' });
  const lock = takeLock(join(path, 'collector.lock'));
  if (!lock.ok) throw new Error('somebody else has it');
  mkdirSync(join(path, 'agent'));
  // No process has this number: pid_max is at most 4 Mi.
  writeFileSync(join(path, 'agent', 'lock'), '99999999 1\n');
  const before = readdirSync(path, { recursive: true, encoding: 'utf8' }).sort();
  t.match(await examine(dataLock, { 'data-dir': path }), {
    outcome: 'ok',
    observed: `by a collector, process ${String(process.pid)}; an agent that was killed, or that runs in another PID namespace`,
  });
  t.strictSame(readdirSync(path, { recursive: true, encoding: 'utf8' }).sort(), before, 'locks are only looked at');
  lock.release();
});

void t.test('the store', async (t) => {
  const path = directoryOf(t);
  const file = join(path, 'store.sqlite');
  const look = () => examine(dataStore, { 'data-dir': path });
  t.match(await look(), { outcome: 'ok', observed: /^none yet/ });
  await (await openSqliteStore({ path: file })).close();
  t.match(await look(), { outcome: 'ok', observed: /KiB in .*store\.sqlite$/ });
  for (const name of ['2026-06-01T00-00-00.000Z', '2026-06-02T00-00-00.000Z', '2026-06-02T00-00-00.000Z-wal'])
    writeFileSync(`${file}.damaged-${name}`, '');
  t.match(await look(), {
    outcome: 'warning',
    observed: /a damaged one was quarantined: .*store\.sqlite\.damaged-2026-06-02T00-00-00\.000Z$/,
  });
  chmodSync(file, 0o644);
  t.match(await look(), {
    outcome: 'warning',
    observed: /mode 0644: others can read all findings/,
    advice: `chmod 600 ${file}`,
  });
  chmodSync(file, 0o600);
  writeFileSync(file, 'SQLite format 3\0'.padEnd(200, 'x'));
  t.match(await look(), { outcome: 'problem', observed: /no database of this program/ });
});

void t.test('the operator token: its shape is told, never its content', async (t) => {
  const path = directoryOf(t);
  const file = join(path, 'operator-token');
  const secret = 'S3cret-S3cret-S3cret-S3cret-S3cret-S3cret-1';
  const look = async () => {
    const examined = await examine(operatorToken, { 'data-dir': path });
    t.notMatch(JSON.stringify(examined), /S3cret/);
    return examined;
  };
  t.match(await look(), { outcome: 'ok', observed: /not there yet/ });
  writeFileSync(file, `${secret}\n`, { mode: 0o600 });
  t.match(await look(), { outcome: 'ok', observed: `${file}, mode 0600` });
  chmodSync(file, 0o644);
  t.match(await look(), { outcome: 'problem', observed: /mode 0644: others can read it/, advice: /chmod 600/ });
  chmodSync(file, 0o600);
  for (const content of ['S3cret', 'S3cret with spaces and more than thirty-two characters', '', '\0'.repeat(64)]) {
    writeFileSync(file, content);
    t.match(await look(), { outcome: 'problem', observed: /holds no token/ }, JSON.stringify(content));
  }
  const fifo = join(path, 'fifo');
  execFileSync('mkfifo', [fifo]);
  symlinkSync(fifo, join(path, 'link'));
  t.match(await examine(operatorToken, { 'token-file': join(path, 'link') }), { observed: /no regular file/ });
});

void t.test('where events are written', async (t) => {
  const path = directoryOf(t);
  t.match(await examine(sinkNdjson, { 'data-dir': path }), { outcome: 'ok', observed: /events\.ndjson, .* free$/ });
  t.match(await examine(sinkNdjson, { 'data-dir': path, 'sink-ndjson': 'off' }), { outcome: 'ok', observed: 'off' });
  t.match(await examine(sinkNdjson, { 'data-dir': path, 'sink-ndjson': '-' }), { outcome: 'ok' });
  t.match(await examine(sinkNdjson, { 'sink-ndjson': join(path, 'none', 'events') }), {
    outcome: 'problem',
    observed: /none is not there/,
  });
  t.match(await examine(sinkNdjson, { 'sink-ndjson': '/proc/events' }), { outcome: 'problem' });
  t.match(await examine(sinkNdjson, { 'sink-ndjson': path }), { outcome: 'problem', observed: /no regular file/ });
});
