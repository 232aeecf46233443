import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { createLinuxHost } from '../../../agent/host/linux.ts';

const isRoot = process.getuid?.() === 0;

/** A host root beside a file that must never be read through it. */
function rootBesideSecret(): { root: string; secret: string } {
  const base = t.testdir({
    secret: 'outside\n',
    beside: { secret: 'outside\n' },
    root: { etc: { app: {}, passwd: 'inside\n', secret: 'inside\n' }, links: {}, proc: { '7': { comm: 'forged\n' } } },
  });
  return { root: join(base, 'root'), secret: join(base, 'secret') };
}

void t.test('no link leads out of the root', async (t) => {
  const { root, secret } = rootBesideSecret();
  const link = (target: string, name: string): void => symlinkSync(target, join(root, 'links', name));
  link('/etc/passwd', 'absolute');
  link('../../secret', 'parent');
  link('../../../../../../../../../../etc/passwd', 'climbing');
  link(secret, 'out');
  link('../../beside', 'directory');
  link('/', 'root');
  link('..', 'up');
  const host = createLinuxHost({ root });

  t.strictSame(await host.readFile('/links/absolute'), { ok: true, value: Buffer.from('inside\n') });
  t.strictSame(await host.readFile('/links/climbing'), { ok: true, value: Buffer.from('inside\n') });
  t.strictSame(await host.readFile('/links/root/etc/passwd'), { ok: true, value: Buffer.from('inside\n') });
  t.strictSame(await host.readFile('/links/up/links/../etc/app/../secret'), {
    ok: true,
    value: Buffer.from('inside\n'),
  });
  for (const path of ['/links/parent', '/links/out', '/../secret', '/../../secret', '/links/directory/secret']) {
    t.match(await host.readFile(path), { ok: false, code: 'absent' }, path);
    t.match(await host.stat(path), { ok: false, code: 'absent' }, path);
  }
  t.match(await host.list('/links/directory'), { ok: false, code: 'absent' });
  t.match(await host.readLink('/links/directory/secret'), { ok: false, code: 'absent' });
  t.match(await host.stat('/..'), { ok: true, value: { kind: 'directory', realPath: '/' } });
  t.match(await host.stat('/links/root'), { ok: true, value: { realPath: '/' } });
});

void t.test('a plain directory in the place of /proc is read like any other', async (t) => {
  const { root, secret } = rootBesideSecret();
  symlinkSync(secret, join(root, 'proc/7/status'));
  symlinkSync('/proc/7/comm', join(root, 'proc/7/maps'));
  const host = createLinuxHost({ root });
  t.strictSame(await host.readFile('/proc/7/comm'), { ok: true, value: Buffer.from('forged\n') });
  t.strictSame(await host.readFile('/proc/7/maps'), { ok: true, value: Buffer.from('forged\n') });
  t.match(await host.readFile('/proc/7/status'), { ok: false, code: 'absent' });
});

void t.test('magic links of /proc are read, never followed', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'plimsoll-magic-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  symlinkSync('/proc/self/root/etc', join(directory, 'etc'));
  symlinkSync('/proc/self/exe', join(directory, 'exe'));
  const host = createLinuxHost();
  for (const path of [
    '/proc/self/exe',
    `/proc/${String(process.pid)}/exe`,
    '/proc/self/root/etc/passwd',
    '/proc/thread-self/cwd/package.json',
    `/proc/self/task/${String(process.pid)}/root/etc/passwd`,
    '/proc/self/fd/0',
    '/proc/self/ns/pid',
    '/proc//self/./root/etc/passwd',
    '/proc/self/fdinfo/../root/etc/passwd',
    `${directory}/etc/passwd`,
    `${directory}/exe`,
  ]) {
    t.match(await host.readFile(path), { ok: false, code: 'notRegular' }, `readFile ${path}`);
    t.match(await host.stat(path), { ok: false, code: 'notRegular' }, `stat ${path}`);
  }
  t.match(await host.list('/proc/self/root'), { ok: false, code: 'notRegular' });
  t.match(await host.readLink('/proc/self/root/proc/self/exe'), { ok: false, code: 'notRegular' });
  t.match(await host.readLink('/proc/self/exe'), { ok: true, value: process.execPath });
  t.match(await host.readLink(`/proc/self/task/${String(process.pid)}/ns/pid`), { ok: true, value: /^pid:\[\d+\]$/ });
});

void t.test('procfs and sysfs', async (t) => {
  const host = createLinuxHost();
  const pid = String(process.pid);
  const status = await host.readFile('/proc/self/status');
  t.ok(status.ok && status.value.toString().includes(`\nPid:\t${pid}\n`), 'size 0, read to the end');
  t.match(await host.stat('/proc/self/comm'), { ok: true, value: { kind: 'file', realPath: `/proc/${pid}/comm` } });
  t.match(await host.readFile(`/proc/${pid}/cmdline`), { ok: true, value: Buffer });
  t.match(await host.readFile('/proc/mounts'), { ok: true }, 'a link of /proc that stays inside is followed');
  t.match(await host.readFile('/proc/self/maps', { maxBytes: 100 }), { ok: false, code: 'tooLarge' });
  t.match(await host.readFile('/proc/self/mountinfo', { maxBytes: 20 }), { ok: false, code: 'tooLarge' });
  t.match(await host.readFile('/proc/self'), { ok: false, code: 'notRegular' }, 'a directory');
  t.match(await host.readFile('/proc/4194305/status'), { ok: false, code: 'absent' }, 'no such process');
  t.match(await host.list('/proc/self/task'), { ok: true, value: [pid] });
  t.match(await host.list('/proc', { maxEntries: 10 }), { ok: false, code: 'tooLarge' });
  t.match(await host.stat('/sys/class/net/lo'), { ok: true, value: { realPath: '/sys/devices/virtual/net/lo' } });
  t.match(await host.readFile('/sys/devices/system/cpu/online'), { ok: true, value: Buffer });
  t.match(await host.list('/sys/devices/system/cpu/online'), { ok: false, code: 'absent' }, 'not a directory');
});

const noSymbols = existsSync('/proc/kallsyms') ? false : 'no /proc/kallsyms';

void t.test('a file over 64 KiB of /proc comes whole', { skip: noSymbols }, async (t) => {
  const host = createLinuxHost();
  const answer = await host.readFile('/proc/kallsyms', { maxBytes: 64 * 1024 * 1024 });
  const counted = Number(execFileSync('wc', ['-c', '/proc/kallsyms']).toString().split(' ')[0]);
  t.equal(answer.ok && answer.value.length, counted);
});

void t.test('not for us', { skip: isRoot ? false : 'needs root to take another user' }, async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'plimsoll-denied-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  mkdirSync(join(directory, 'closed/inner'), { recursive: true });
  writeFileSync(join(directory, 'closed/inner/file'), '');
  writeFileSync(join(directory, 'file'), '', { mode: 0o600 });
  execFileSync('chmod', ['0755', directory]);
  execFileSync('chmod', ['0700', join(directory, 'closed')]);
  const host = createLinuxHost({ root: directory });
  const answers: unknown[] = [];
  process.seteuid?.(65534);
  try {
    answers.push(await host.readFile('/file'), await host.readFile('/closed/inner/file'), await host.list('/closed'));
    answers.push(await host.stat('/closed/inner/file'), await host.readLink('/closed/inner/file'));
    answers.push(await createLinuxHost().readLink('/proc/1/exe'));
  } finally {
    process.seteuid?.(0);
  }
  for (const answer of answers) t.match(answer, { ok: false, code: 'denied', reason: /permission denied \(EACCES\)/ });
  t.match(await host.stat('/file'), { ok: true, value: { mode: 0o600 } });
});

void t.test('a file that grows while it is read is whole or too large, never cut', async (t) => {
  const directory = t.testdir({ log: 'x'.repeat(60_000) });
  const host = createLinuxHost({ root: directory });
  const appending = (async (): Promise<void> => {
    for (let count = 0; count < 40; count += 1) {
      writeFileSync(join(directory, 'log'), 'y'.repeat(1000), { flag: 'a' });
      await new Promise((resolve) => setImmediate(resolve));
    }
  })();
  for (let count = 0; count < 40; count += 1) {
    const answer = await host.readFile('/log', { maxBytes: 80_000 });
    t.ok(answer.ok ? answer.value.length >= 60_000 && answer.value.length <= 80_000 : answer.code === 'tooLarge');
  }
  await appending;
  t.match(await host.readFile('/log', { maxBytes: 80_000 }), { ok: false, code: 'tooLarge' });
});

void t.test('a stopped host answers, and a root that is not there is told at once', async (t) => {
  const host = createLinuxHost({ signal: AbortSignal.abort() });
  t.match(await host.readFile('/etc/passwd'), { ok: false, code: 'failed' });
  t.throws(() => createLinuxHost({ root: '/none/such' }), { code: 'ENOENT' });
});
