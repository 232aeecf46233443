import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { Test } from 'tap';
import { PROGRAM } from '../cli/process.ts';
import { temporaryDirectory, treeHost } from '../fixture/inspector/tree.ts';
import { UNREAD_FILES } from '../fixture/unread-files.ts';

// What the threat model says of files that are never opened, by the system calls of the program.

const noStrace = spawnSync('strace', ['-V']).status === 0 ? false : 'strace is not installed';

/** Every path in a system call of a whole round of checks, whatever the call is. */
function pathsOf(t: Test, ...options: readonly string[]): readonly string[] {
  const log = join(temporaryDirectory(t), 'calls');
  const words = ['-f', '-qq', '-y', '-s', '4096', '-e', 'trace=%file', '-e', 'signal=none', '-o', log];
  const scan = [PROGRAM, 'scan', '--docker-host', 'unix:///nonexistent/docker.sock', '-o', 'json', ...options];
  const { stdout, stderr } = spawnSync('strace', [...words, process.execPath, ...scan], {
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
    timeout: 300_000,
  });
  t.match(stdout, /"ssh\.unencrypted-private-key"/, stderr);
  return readFileSync(log, 'latin1')
    .split('\n')
    .flatMap((line) =>
      // `openat(AT_FDCWD</work>, "/etc/passwd", …`, `openat(21</etc>, "passwd", …`
      [...line.matchAll(/(?:<(\/[^>"]*)>, )?"([^"]*)"/g)].map(([, directory = '', name = '']) =>
        name.startsWith('/') ? name : `${directory}/${name}`,
      ),
    );
}

/** The loader of the program itself looks for this one, and reads it where it exists. */
const isOfLoader = (path: string): boolean => path === '/etc/ld.so.preload';

void t.test('a scan of this machine', { skip: noStrace }, (t) => {
  const paths = pathsOf(t);
  t.ok(paths.includes('/etc/passwd') && paths.includes('/etc/group'), 'the calls are seen');
  t.strictSame(
    paths.filter((path) => UNREAD_FILES.test(path) && !isOfLoader(path)),
    [],
  );
  t.end();
});

void t.test('a scan of a node whose files are mounted elsewhere, as in a container', { skip: noStrace }, (t) => {
  const { root } = treeHost(t, {
    '/etc/passwd': 'root:x:0:0:root:/root:/bin/bash\nada:x:1000:1000::/home/ada:/bin/bash\n',
    '/etc/group': 'root:x:0:\nada:x:1000:\n',
    '/etc/shadow': 'root:*:1:::::\n',
    '/etc/gshadow': 'root:*::\n',
    '/etc/sudoers': 'ada ALL=NOPASSWD: ALL\n@includedir /etc/sudoers.d\n',
    '/etc/sudoers.d/ops': 'ada ALL=NOPASSWD: ALL\n',
    '/etc/doas.conf': 'permit nopass ada\n',
    '/etc/pam.d/sshd': 'auth required pam_permit.so\n',
    '/etc/security/opasswd': '',
    '/etc/crontab': '',
    '/etc/cron.d/job': '',
    '/var/spool/cron/crontabs/root': '',
    '/boot/grub/grub.cfg': '',
    '/etc/ld.so.preload': '',
    '/etc/ssh/sshd_config': 'UsePAM yes\n',
    '/usr/sbin/sshd': '',
    '/home/ada/.ssh/authorized_keys': '',
  });
  const paths = pathsOf(t, '--host-root', root).filter((path) => path.startsWith(`${root}/`));
  t.ok(paths.includes(`${root}/etc/passwd`), 'the calls are seen');
  t.strictSame(
    paths.filter((path) => UNREAD_FILES.test(path)),
    [],
  );
  t.end();
});
