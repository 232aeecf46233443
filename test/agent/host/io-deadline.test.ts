import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import type { Test } from 'tap';
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

/** A Python program that mounts a file system by hand; `end` takes both away. */
async function startDeaf(t: Test, program: string) {
  const directory = mkdtempSync(join(tmpdir(), 'plimsoll-deaf-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  const python = spawn('python3', ['-c', program, directory], { stdio: ['pipe', 'pipe', 'inherit'] });
  const first = await new Promise<string>((resolve) => {
    python.stdout.once('data', (bytes: Buffer) => resolve(bytes.toString().trim()));
    python.once('error', (error) => resolve(`no ${error.message}`));
  });
  const end = async (): Promise<void> => {
    python.stdin.end();
    if (python.exitCode === null) await new Promise((resolve) => python.once('close', resolve));
  };
  return { directory, first, end };
}

const canMount = process.getuid?.() === 0 && existsSync('/dev/fuse');

void t.test('a hung file system', { skip: canMount ? false : 'needs root and /dev/fuse' }, async (t) => {
  const { directory, first, end } = await startDeaf(t, DEAF_FILE_SYSTEM);
  try {
    if (!first.startsWith('mounted')) {
      t.pass('a mount of our own', { skip: `could not mount: ${first}` });
      return;
    }
    const host = createLinuxHost({ deadlineMs: 100 });
    t.match(await host.readFile(`${directory}/file`), { ok: false, code: 'timeout' });
    t.match(await host.readFile('/etc/passwd'), { ok: true }, 'the rest of the node is still read');
    t.match(await host.stat(`${directory}/other`), { ok: false, code: 'timeout' });
    t.match(await host.readFile('/proc/self/cmdline'), { ok: true }, 'processes are still read');
    host.watch([`${directory}/file`], () => t.fail('nothing changed'))();
  } finally {
    await end();
  }
});

// A process can see to it that nobody can read its memory: it waits for a file system of its own while it holds the lock
// of its memory map. The server reads a page of zeros and never says that it is written (linux/fuse.h, version 7.31).
const ANSWERING = `
import ctypes, os, struct, sys, threading, time
libc = ctypes.CDLL(None, use_errno=True)
where = sys.argv[1]
fd = os.open('/dev/fuse', os.O_RDWR)
data = ('fd=%d,rootmode=40000,user_id=0,group_id=0' % fd).encode()
if libc.mount(b'deaf', where.encode(), b'fuse', 0, data) != 0:
    print('no', os.strerror(ctypes.get_errno()), flush=True)
    sys.exit()

INIT, LOOKUP, GETATTR, OPEN, READ, WRITE, FORGET, INTERRUPT = 26, 1, 3, 14, 15, 16, 2, 36
STATX = 52
SILENT = (WRITE, FORGET, INTERRUPT)

def attributes(inode):
    mode, size = (0o40755, 0) if inode == 1 else (0o100644, 4096)
    return struct.pack('<6Q3I7I', inode, size, 8, 0, 0, 0, 0, 0, 0, mode, 1, 0, 0, 0, 4096, 0)

def answer(opcode, inode):
    if opcode == INIT: return struct.pack('<4I2H2I2H8I', 7, 31, 0, 0, 0, 0, 4096, 1, 1, 0, *[0] * 8)
    if opcode == LOOKUP: return struct.pack('<4Q2I', 2, 0, 3600, 3600, 0, 0) + attributes(2)
    if opcode == GETATTR: return struct.pack('<Q2I', 3600, 0, 0) + attributes(inode)
    if opcode == OPEN: return struct.pack('<Q2I', 0, 0, 0)
    return bytes(4096) if opcode == READ else b''

def serve():
    while True:
        try: request = os.read(fd, 1 << 17)
        except OSError: return
        size, opcode, unique, inode = struct.unpack_from('<2I2Q', request)
        if opcode in SILENT: continue
        body = answer(opcode, inode)
        # ENOSYS: the kernel asks GETATTR instead.
        error, body = (-38, b'') if opcode == STATX else (0, body)
        os.write(fd, struct.pack('<IiQ', 16 + len(body), error, unique) + body)

threading.Thread(target=serve, daemon=True).start()
`;

const DEAF_PROCESS = `${ANSWERING}
child = os.fork()
if child == 0:
    length = ctypes.c_size_t(4096)
    libc.mmap.restype = ctypes.c_void_p
    page = ctypes.c_void_p(libc.mmap(None, length, 3, 1, os.open(where + '/page', os.O_RDWR), ctypes.c_long(0)))
    libc.memset(page, 1, length)
    # Written back for ever; changed meanwhile, which waits for that; unmapped, which waits with the lock.
    for call, *args in ((libc.msync, page, length, 4), (libc.memset, page, 2, length), (libc.munmap, page, length)):
        threading.Thread(target=call, args=args, daemon=True).start()
        time.sleep(0.2)
    os.write(1, ('mounted %d\\n' % os.getpid()).encode())
    libc.pause()
sys.stdin.read()
os.kill(child, 9)
libc.umount2(where.encode(), 3)
`;

const DEAF_CLOSE = `${ANSWERING}
FLUSH = 25
SILENT += (FLUSH,)
print('mounted', flush=True)
sys.stdin.read()
libc.umount2(where.encode(), 2)
`;

void t.test(
  'a file system that answers everything but the end of a file',
  { skip: canMount ? false : 'needs root and /dev/fuse' },
  async (t) => {
    const { directory, first, end } = await startDeaf(t, DEAF_CLOSE);
    try {
      if (!first.startsWith('mounted')) {
        t.pass('a mount of our own', { skip: `could not mount: ${first}` });
        return;
      }
      const host = createLinuxHost({ deadlineMs: 1000 });
      t.match(await host.stat(`${directory}/page`), { ok: true, value: { size: 4096 } });
      t.match(await host.readFile(`${directory}/page`), { ok: false, code: 'timeout' });
      t.match(await host.readFile('/etc/passwd'), { ok: true }, 'the rest of the node is still read');
    } finally {
      await end();
    }
  },
);

void t.test(
  'a process whose memory does not answer',
  { skip: canMount ? false : 'needs root and /dev/fuse' },
  async (t) => {
    const deaf = await startDeaf(t, DEAF_PROCESS);
    const pid = Number(/^mounted (\d+)/.exec(deaf.first)?.[1]);
    try {
      if (!(pid > 0)) {
        t.pass('a mount of our own', { skip: `could not mount: ${deaf.first}` });
        return;
      }
      const host = createLinuxHost({ deadlineMs: 100 });
      const fileOf = (name: string): string => `/proc/${String(pid)}/${name}`;
      t.match(await host.readFile(fileOf('cmdline')), {
        ok: false,
        code: 'timeout',
        reason: 'no answer within 100 ms',
      });
      for (const name of ['cmdline', 'environ', 'maps', 'auxv'])
        t.match(await host.readFile(fileOf(name)), { ok: false, code: 'timeout' }, `${name} costs no further thread`);
      t.match(await host.readFile(fileOf('status')), { ok: true }, 'what needs no memory of it is read');
      t.match(await host.readFile('/proc/self/environ'), { ok: false, code: 'timeout', reason: /not read: / });
      const many = Array.from({ length: 8 }, () => host.readFile('/etc/passwd'));
      for (const read of await Promise.all(many)) t.match(read, { ok: true }, 'files are read as before');
      t.match(await host.fileSystem('/'), { ok: true });
    } finally {
      await deaf.end();
    }
  },
);
