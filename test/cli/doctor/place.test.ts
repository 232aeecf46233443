import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmdirSync,
  statfsSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { dataDirectory } from '../../../cli/doctor/diagnostics/data-directory.ts';
import { operatorToken } from '../../../cli/doctor/diagnostics/operator-token.ts';
import { sinks } from '../../../cli/doctor/diagnostics/sinks.ts';
import { store } from '../../../cli/doctor/diagnostics/store.ts';
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

/** A local disk with free space: ext4, XFS or Btrfs (linux/magic.h). On others the data directory gets a warning. */
function isDisk(path: string): boolean {
  const { type, bavail, bsize } = statfsSync(path);
  return [0xef53, 0x58465342, 0x9123683e].includes(type) && bavail * bsize > 1024 ** 3;
}
const notDisk = isDisk(tmpdir()) ? false : 'the temporary directory is not on a disk with free space';

void t.test('a good data directory', { skip: notDisk }, async (t) => {
  const path = directoryOf(t);
  chmodSync(path, 0o700);
  t.match(await examine(dataDirectory, { 'data-dir': path }), {
    outcome: 'ok',
    observed: new RegExp(
      `^${path}, mode 0700, owner ${String(process.getuid?.())}, writable; [0-9.]+ [MGT]iB of .*iB free; not in use$`,
    ),
    advice: '',
  });
  t.match(await examine(dataDirectory, { 'data-dir': join(path, 'a', 'b') }), {
    outcome: 'ok',
    observed: /does not exist yet/,
  });
  t.strictSame(readdirSync(path), [], 'nothing was created');
});

void t.test('a data directory with a wrong mode, type or owner', async (t) => {
  const path = directoryOf(t);
  chmodSync(path, 0o770);
  t.match(await examine(dataDirectory, { 'data-dir': path }), {
    outcome: 'problem',
    observed: /mode 0770, .*: other users can put files in it and replace keys$/,
    advice: `chmod 700 ${path}`,
  });
  chmodSync(path, 0o700);
  writeFileSync(join(path, 'file'), '');
  t.match(await examine(dataDirectory, { 'data-dir': join(path, 'file') }), {
    outcome: 'problem',
    observed: /is not a directory/,
  });
  t.match(await examine(dataDirectory, { 'data-dir': join(path, 'file', 'x') }), { outcome: 'problem' });
  if (process.getuid?.() === 0) {
    chownSync(path, 65_534, 65_534);
    t.match(await examine(dataDirectory, { 'data-dir': path }), {
      outcome: 'warning',
      observed: /owner 65534: it belongs to another user/,
    });
  }
});

void t.test('a file system that is full, or volatile', { skip: cannotMount }, async (t) => {
  const dataDir = join(small, 'data');
  const look = async () => examine(dataDirectory, { 'data-dir': dataDir });
  writeFileSync(join(small, 'filling'), Buffer.alloc(4 * 1024 * 1024 - 200 * 1024));
  t.match(await look(), {
    outcome: 'problem',
    observed: '200 KiB of 4 MiB free: the next writes may fail',
    advice: /^free space/,
  });
  t.match(await examine(sinks, { 'data-dir': dataDir }), {
    outcome: 'problem',
    observed: /events\.ndjson, 200 KiB free/,
  });
  execFileSync('mount', ['-o', 'remount,size=1g', small]);
  t.match(await look(), { outcome: 'warning', observed: /^tmpfs: the data is lost/ });
  t.notOk(existsSync(dataDir));
});

void t.test('which programs use the directory', { skip: notDisk }, async (t) => {
  const path = directoryOf(t);
  const lock = takeLock(join(path, 'collector.lock'));
  if (!lock.ok) throw new Error('another process holds the lock');
  mkdirSync(join(path, 'agent'));
  // No process has this number: pid_max is at most 4 Mi.
  writeFileSync(join(path, 'agent', 'lock'), '99999999 1\n');
  const before = readdirSync(path, { recursive: true, encoding: 'utf8' }).sort();
  const { observed } = await examine(dataDirectory, { 'data-dir': path });
  t.ok(
    observed.endsWith(
      `; used by a collector, process ${String(process.pid)}; an agent that was killed or runs in another PID namespace`,
    ),
    observed,
  );
  t.strictSame(readdirSync(path, { recursive: true, encoding: 'utf8' }).sort(), before, 'nothing is written');
  lock.release();
});

void t.test('the store', async (t) => {
  const path = directoryOf(t);
  const file = join(path, 'store.sqlite');
  const look = () => examine(store, { 'data-dir': path });
  t.match(await look(), { outcome: 'ok', observed: /^none yet/ });
  await (await openSqliteStore({ path: file })).close();
  t.match(await look(), { outcome: 'ok', observed: /KiB in .*store\.sqlite$/ });
  for (const name of ['2026-06-01T00-00-00.000Z', '2026-06-02T00-00-00.000Z', '2026-06-02T00-00-00.000Z-wal'])
    writeFileSync(`${file}.damaged-${name}`, '');
  t.match(await look(), {
    outcome: 'warning',
    observed: /a damaged store was quarantined: .*store\.sqlite\.damaged-2026-06-02T00-00-00\.000Z$/,
  });
  chmodSync(file, 0o644);
  t.match(await look(), {
    outcome: 'warning',
    observed: /mode 0644: other users can read all findings/,
    advice: `chmod 600 ${file}`,
  });
  chmodSync(file, 0o600);
  writeFileSync(file, 'SQLite format 3\0'.padEnd(200, 'x'));
  t.match(await look(), { outcome: 'problem', observed: /not a database of this program/ });
});

void t.test('the operator token: the result never contains it', async (t) => {
  const path = directoryOf(t);
  const file = join(path, 'operator-token');
  const secret = 'S3cret-S3cret-S3cret-S3cret-S3cret-S3cret-1';
  const look = async () => {
    const examined = await examine(operatorToken, { 'data-dir': path });
    t.notMatch(JSON.stringify(examined), /S3cret/);
    return examined;
  };
  t.match(await look(), { outcome: 'ok', observed: /does not exist yet/ });
  writeFileSync(file, `${secret}\n`, { mode: 0o600 });
  t.match(await look(), { outcome: 'ok', observed: `${file}, mode 0600` });
  chmodSync(file, 0o644);
  t.match(await look(), { outcome: 'problem', observed: /mode 0644: other users can read it/, advice: /chmod 600/ });
  chmodSync(file, 0o600);
  for (const content of ['S3cret', 'S3cret with spaces and more than thirty-two characters', '', '\0'.repeat(64)]) {
    writeFileSync(file, content);
    t.match(await look(), { outcome: 'problem', observed: /does not contain a token/ }, JSON.stringify(content));
  }
  const fifo = join(path, 'fifo');
  execFileSync('mkfifo', [fifo]);
  symlinkSync(fifo, join(path, 'link'));
  t.match(await examine(operatorToken, { 'token-file': join(path, 'link') }), { observed: /not a regular file/ });
});

void t.test('where events are written', async (t) => {
  const path = directoryOf(t);
  t.match(await examine(sinks, { 'data-dir': path }), {
    outcome: 'ok',
    observed: /events\.ndjson, .* free; syslog: off$/,
  });
  t.match(await examine(sinks, { 'data-dir': path, 'sink-ndjson': 'off' }), {
    outcome: 'ok',
    observed: /^ndjson: off/,
  });
  t.match(await examine(sinks, { 'data-dir': path, 'sink-ndjson': '-' }), { outcome: 'ok' });
  t.match(await examine(sinks, { 'sink-ndjson': join(path, 'none', 'events') }), {
    outcome: 'problem',
    observed: /none does not exist/,
  });
  t.match(await examine(sinks, { 'sink-ndjson': '/proc/events' }), { outcome: 'problem' });
  t.match(await examine(sinks, { 'sink-ndjson': path }), { outcome: 'problem', observed: /not a regular file/ });
});
