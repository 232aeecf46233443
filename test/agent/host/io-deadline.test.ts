import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { createLinuxHost } from '../../../agent/host/linux.ts';
import { createIoDeadline } from '../../../agent/host/io-deadline.ts';
import type { Read } from '../../../agent/host/host.ts';

void t.test('work that does not come back', async (t) => {
  const patience = createIoDeadline(20, 3);
  const finish: (() => void)[] = [];
  const hang = (): Promise<Read<string>> =>
    new Promise((resolve) => {
      finish.push(() => resolve({ ok: true, value: 'late' }));
    });
  const quick = (): Promise<Read<string>> => Promise.resolve({ ok: true, value: 'quick' });

  t.match(await patience('/a', hang), { ok: false, code: 'timeout' });
  t.match(await patience('/a', quick), { ok: false, code: 'timeout', reason: /earlier read/ }, 'the same path at once');
  t.match(await patience('/b', quick), { ok: true, value: 'quick' }, 'other paths go on');
  await patience('/b', hang);
  await patience('/c', hang);
  t.match(
    await patience('/d', quick),
    { ok: false, code: 'timeout', reason: /other paths/ },
    'no thread is left to lose',
  );
  for (const end of finish) end();
  await new Promise((resolve) => setImmediate(resolve));
  t.match(await patience('/a', quick), { ok: true, value: 'quick' }, 'once they came back all is well');
});

// A file system whose server never answers: what a dead NFS server looks like. Mounted by hand (fuse(4)), so that
// nothing but Python is needed; it goes when that process does.
const DEAF_FILE_SYSTEM = `
import ctypes, os, sys, time
libc = ctypes.CDLL(None, use_errno=True)
fd = os.open('/dev/fuse', os.O_RDWR)
data = ('fd=%d,rootmode=40000,user_id=0,group_id=0' % fd).encode()
if libc.mount(b'deaf', sys.argv[1].encode(), b'fuse', 0, data) != 0:
    print('no', os.strerror(ctypes.get_errno()), flush=True)
else:
    print('mounted', flush=True)
    sys.stdin.read()
    libc.umount2(sys.argv[1].encode(), 2)
`;

const canMount = process.getuid?.() === 0 && existsSync('/dev/fuse');

void t.test('a hung file system', { skip: canMount ? false : 'needs root and /dev/fuse' }, async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'plimsoll-deaf-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  const python = spawn('python3', ['-c', DEAF_FILE_SYSTEM, directory], { stdio: ['pipe', 'pipe', 'inherit'] });
  const first = await new Promise<string>((resolve) => {
    python.stdout.once('data', (bytes: Buffer) => resolve(bytes.toString()));
    python.once('error', (error) => resolve(`no ${error.message}`));
  });
  try {
    if (!first.startsWith('mounted')) {
      t.pass('a mount of our own', { skip: `could not mount: ${first.trim()}` });
      return;
    }
    const host = createLinuxHost({ deadlineMs: 100 });
    t.match(await host.readFile(`${directory}/file`), { ok: false, code: 'timeout' });
    t.match(await host.readFile('/etc/passwd'), { ok: true }, 'the rest of the node is still read');
    t.match(await host.stat(`${directory}/other`), { ok: false, code: 'timeout' });
    t.match(await host.readFile('/proc/self/cmdline'), { ok: true }, 'processes are still read');
    host.watch([`${directory}/file`], () => t.fail('nothing changed'))();
  } finally {
    python.stdin.end();
    if (python.exitCode === null) await new Promise((resolve) => python.once('close', resolve));
  }
});
