import { spawnSync } from 'node:child_process';
import t from 'tap';
import { setuidFiles } from '../../../../posture/check/image/setuid-files.ts';
import { absent, seen, unreadable } from '../../../../posture/observed.ts';
import type { SetuidFilesFact } from '../../../../posture/fact/image.ts';
import { judgeImages } from '../../../fixture/verdict-table.ts';

const SOURCE = 'files of the image';
const files = (paths: readonly string[], missing = ''): { setuidFiles: ReturnType<typeof seen<SetuidFilesFact>> } => ({
  setuidFiles: seen({ files: paths.map((path) => ({ path, mode: 0o4755 })), missing }, SOURCE),
});

/*
 * What `find / -xdev -type f -perm /6000` prints in images of these distributions: debian:12, ubuntu:24.04, alpine:3.22,
 * fedora:42.
 */
const DEBIAN = ['chage', 'chfn', 'chsh', 'expiry', 'gpasswd', 'mount', 'newgrp', 'passwd', 'su', 'umount']
  .map((name) => `/usr/bin/${name}`)
  .concat('/usr/sbin/unix_chkpwd');
const UBUNTU = [...DEBIAN, '/usr/sbin/pam_extrausers_chk'];
const FEDORA = ['chage', 'gpasswd', 'mount', 'newgrp', 'su', 'umount', 'write']
  .map((name) => `/usr/bin/${name}`)
  .concat('/usr/bin/pam_timestamp_check', '/usr/bin/unix_chkpwd', '/usr/bin/grub2-set-bootflag');

judgeImages(t, setuidFiles, [
  {
    name: 'a scan',
    image: { setuidFiles: absent(SOURCE) },
    verdict: 'manual',
    reason: /plimsoll image scan shop\/worker:1.4/,
  },
  {
    name: 'not read',
    image: { setuidFiles: unreadable(SOURCE, 'timed out') },
    verdict: 'unknown',
    reason: /timed out/,
  },
  { name: 'none', image: files([]), verdict: 'pass', seen: ['setuid or setgid: none'] },
  { name: 'Debian', image: files(DEBIAN), verdict: 'pass' },
  { name: 'Ubuntu', image: files(UBUNTU), verdict: 'pass' },
  { name: 'Alpine', image: files(['/bin/bbsuid']), verdict: 'pass' },
  { name: 'Fedora', image: files(FEDORA), verdict: 'pass' },
  { name: 'an OpenSSH client', image: files(['/usr/bin/ssh-agent', '/usr/lib/openssh/ssh-keysign']), verdict: 'pass' },
  { name: 'sudo', image: files([...DEBIAN, '/usr/bin/sudo']), verdict: 'fail', seen: ['4755 /usr/bin/sudo'] },
  {
    name: 'a known name in another place',
    image: files(['/tmp/su', '/usr/local/bin/passwd', '/usr/bin/x/su']),
    verdict: 'fail',
    seen: ['4755 /tmp/su', '4755 /usr/local/bin/passwd', '4755 /usr/bin/x/su'],
  },
  { name: 'not all were seen', image: files(DEBIAN, '/opt: damaged'), verdict: 'unknown', reason: /\/opt: damaged/ },
  { name: 'what was seen is enough', image: files(['/opt/root'], '/opt: damaged'), verdict: 'fail' },
  {
    name: 'as many as there can be, with control characters',
    image: files(Array.from({ length: 256 }, (_, index) => `/${String(index)}\u001B[2J${'x'.repeat(1000)}`)),
    verdict: 'fail',
    reason: /and 248 more$/,
  },
]);

void t.test('this machine', (t) => {
  const args = ['/usr/bin', '/usr/sbin', '-xdev', '-type', 'f', '-perm', '/6000'];
  const { stdout } = spawnSync('find', args, { encoding: 'utf8' });
  const names = new Set(['su', 'passwd', 'mount', 'umount', 'chage', 'unix_chkpwd']);
  const found = stdout.split('\n').filter((path) => names.has(path.slice(path.lastIndexOf('/') + 1)));
  judgeImages(t, setuidFiles, [{ name: 'its base system', image: files(found), verdict: 'pass' }]);
  t.end();
});
