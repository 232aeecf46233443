import { fail, manual, notApplicable, pass, unknownBecause } from '../../verdict.ts';
import type { Evidence } from '../../verdict.ts';
import type { NodeCheck } from '../check.ts';
import { quote } from '../evidence-text.ts';
import { judgeList } from '../judge-list.ts';
import { hostCheck } from './host-checks.ts';

/** File systems for temporary files: nobody needs devices or set-user-ID programs there. */
const TEMPORARY: ReadonlySet<string> = new Set(['/dev/shm', '/tmp', '/var/tmp']);
/** What fills up and then stops everything else. */
const FILLS_UP: ReadonlySet<string> = new Set([
  '/var/lib/containerd',
  '/var/lib/containers',
  '/var/lib/kubelet',
  '/var/log',
]);
/** Types that the policy does not confine, or that were meant for other programs. */
const UNCONFINED_TYPES: ReadonlySet<string> = new Set(['init_t', 'initrc_t', 'unconfined_service_t', 'unconfined_t']);

/** Checks of the boot loader, the file systems and the daemons of the host, sorted by id. */
export const HOST_LAYOUT_CHECKS: readonly NodeCheck[] = Object.freeze([
  hostCheck({
    id: 'host.boot-loader',
    title: 'Only root can read and change the boot loader',
    failTitle: 'Others than root can read or change the boot loader',
    severity: 'low',
    rationale:
      'Who changes grub.cfg chooses the kernel and its parameters; who reads it can try passwords in it. Without a password, whoever reaches the console starts a shell as root.',
    remediation:
      'Run chown root:root and chmod 600 on the named files. Set a password with grub-mkpasswd-pbkdf2 (Debian family) or grub2-setpassword (Red Hat family) where people reach the console.',
    reference: 'https://www.gnu.org/software/grub/manual/grub/html_node/Authentication-and-authorisation.html',
    reads: 'bootFiles',
    whenAbsent: () => notApplicable('this host has no configuration of GRUB'),
    judge: (files, source) => {
      const expected = 'mode 0600, owned by root';
      const open = files.filter(({ mode, uid }) => uid !== 0 || (mode & 0o077) !== 0);
      if (open.length > 0)
        return judgeList({
          failed: open.map(({ path, mode, uid }): Evidence => ({
            source: path,
            seen: `mode ${mode.toString(8).padStart(4, '0')}, uid ${String(uid)}`,
            expected,
          })),
          unread: [],
          passed: { source, seen: 'none', expected },
          reason: 'an account of the host can read or change what is started',
        });
      const evidence = {
        source,
        seen: files[0]?.password === true ? 'a password is set' : 'no password',
        expected: 'a password, or no console',
      };
      return files[0]?.password === true
        ? pass(evidence)
        : manual('decide whether others reach the console of this host', evidence);
    },
  }),
  hostCheck({
    id: 'host.runtime-labels',
    title: 'SELinux knows the container runtime and the kubelet',
    failTitle: 'SELinux does not confine the runtime or the kubelet',
    severity: 'medium',
    rationale:
      'A runtime without a type of its own starts containers without a transition to container_t, and files that it makes have the wrong label.',
    remediation:
      'Install container-selinux (kubelet: kubernetes-selinux or the policy of the distribution), run restorecon -Rv on the program, and restart the service.',
    reference: 'https://github.com/containers/container-selinux',
    reads: 'daemons',
    whenAbsent: () => notApplicable('no container runtime runs on this host'),
    judge: (daemons, source, { kernel: { selinux } }) => {
      if (selinux.state === 'unreadable') return unknownBecause(`${selinux.source}: ${selinux.reason}`);
      if (selinux.state === 'absent' || selinux.value === 'disabled')
        return notApplicable('SELinux is not active on this host');
      const runtimes = daemons.filter(({ name }) => name !== 'sshd');
      if (runtimes.length === 0) return notApplicable('no container runtime runs on this host');
      const expected = 'a type of its own, such as container_runtime_t or kubelet_t';
      return judgeList({
        failed: runtimes.flatMap(({ name, label }): readonly Evidence[] =>
          label.state === 'seen' && UNCONFINED_TYPES.has(label.value.split(':')[2] ?? '')
            ? [{ source: label.source, seen: quote(`${name}: ${label.value}`), expected }]
            : [],
        ),
        unread: runtimes.flatMap(({ label }) =>
          label.state === 'seen'
            ? []
            : [`${label.source}: ${label.state === 'unreadable' ? label.reason : 'not there'}`],
        ),
        passed: { source, seen: runtimes.map(({ name }) => name).join(', '), expected },
        reason: 'a runtime runs without a type of its own',
      });
    },
  }),
  hostCheck({
    id: 'host.separate-file-systems',
    title: 'Logs and containers cannot fill the root file system',
    failTitle: 'Logs or containers can fill the root file system',
    severity: 'low',
    rationale:
      'When the root file system is full, services, logins and the kubelet fail with it. Logs and data of containers grow with what containers do.',
    remediation:
      'Give the named directories file systems of their own; or set limits: SystemMaxUse in journald.conf, containerLogMaxSize and evictionHard of the kubelet.',
    reference: 'https://kubernetes.io/docs/concepts/scheduling-eviction/node-pressure-eviction/',
    reads: 'fileSystems',
    whenAbsent: () => notApplicable('none of these directories exist'),
    judge: (all, source) => {
      const own = all.filter(({ path }) => FILLS_UP.has(path));
      if (own.length === 0) return notApplicable('none of these directories exist');
      const expected = 'a file system of its own';
      return judgeList({
        failed: own
          .filter(({ mountPoint }) => mountPoint === '/')
          .map(({ path }) => ({ source, seen: `${path} is on the root file system`, expected })),
        unread: [],
        passed: { source, seen: 'none is on the root file system', expected },
        reason: 'a directory that fills up is on the root file system',
      });
    },
  }),
  hostCheck({
    id: 'host.temporary-directories',
    title: 'Temporary directories hold no devices or setuid files',
    failTitle: 'Temporary directories allow devices or setuid files',
    severity: 'low',
    rationale:
      'Everybody can write there. nosuid and nodev keep a file that somebody left there from giving its owner rights, or access to a disk.',
    remediation:
      'Add nosuid,nodev to the mount in /etc/fstab or in the mount unit (systemctl edit tmp.mount), and remount. Never do so on /var, /run or the directories of container runtimes.',
    reference: 'https://man7.org/linux/man-pages/man8/mount.8.html',
    reads: 'fileSystems',
    whenAbsent: () => notApplicable('there are no such directories'),
    judge: (all, source) => {
      const own = all.filter(({ path, mountPoint }) => TEMPORARY.has(path) && mountPoint === path);
      if (own.length === 0) return notApplicable('no temporary directory is a file system of its own');
      const expected = 'nosuid and nodev';
      const wrong = own.filter(({ options }) =>
        ['nosuid', 'nodev'].some((option) => !options.split(',').includes(option)),
      );
      return wrong.length > 0
        ? fail(
            'a temporary directory is mounted without protection',
            ...wrong.map(({ path, options }) => ({ source, seen: quote(`${path} ${options}`), expected })),
          )
        : pass({ source, seen: own.map(({ path }) => path).join(', '), expected });
    },
  }),
]);
