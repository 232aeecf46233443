import type { HostFact, HostProcess } from '../../fact/host.ts';
import type { Facts } from '../../fact/facts.ts';
import type { Observed } from '../../observed.ts';
import { fail, failAs, manual, notApplicable, pass, unknownBecause } from '../../verdict.ts';
import type { Evidence, Judgement } from '../../verdict.ts';
import { nodeCheck } from '../check.ts';
import type { NodeCheck } from '../check.ts';
import { quote, quoteList } from '../evidence-text.ts';
import { judgeList } from '../judge-list.ts';
import { isLaterKernel } from './kernel-release.ts';

/** Distributions that replace the whole system instead of packages. */
const REPLACED_AS_A_WHOLE: ReadonlySet<string> = new Set(['bottlerocket', 'cos', 'talos']);

/** Its first process is init, NTP client and log forwarder in one, configured over its API alone. */
const TALOS = 'talos';

type Text = Pick<NodeCheck, 'id' | 'title' | 'failTitle' | 'severity' | 'rationale' | 'remediation'>;

/** A check of one part of the fact; `judge` gets what was seen. */
export function hostCheck<K extends keyof HostFact>({
  reads,
  reference,
  whenAbsent,
  judge,
  ...text
}: Text & {
  readonly reads: K;
  readonly reference: string;
  /** The judgement where it is absent. */
  readonly whenAbsent: (source: string, facts: Pick<Facts, 'host' | 'kernel'>) => Judgement;
  readonly judge: (
    value: HostFact[K] extends Observed<infer T> ? T : never,
    source: string,
    facts: Pick<Facts, 'host' | 'kernel'>,
  ) => Judgement;
}): NodeCheck {
  return nodeCheck({
    ...text,
    references: [reference],
    judges: 'node',
    needs: ['host', 'kernel'],
    judge: (facts) => {
      const observed = facts.host[reads] as Observed<unknown>;
      if (observed.state === 'unreadable') return unknownBecause(`${observed.source}: ${observed.reason}`);
      return observed.state === 'absent'
        ? whenAbsent(observed.source, facts)
        : judge(observed.value as Parameters<typeof judge>[0], observed.source, facts);
    },
  });
}

function processEvidence(processes: readonly HostProcess[], expected: string): readonly Evidence[] {
  return processes.map(({ pid, name, executable }) => ({
    source: `/proc/${String(pid)}`,
    seen: quote(executable === '' ? name : executable),
    expected,
  }));
}

/** Nothing to find is a pass. */
const passWith =
  (seen: string, expected: string) =>
  (source: string): Judgement =>
    pass({ source, seen, expected });

const NO_PRELOAD = 'no preloaded library';
const CURRENT = 'the running kernel is the latest installed one';
const UPDATES = 'a service that installs updates';

/** Checks of the operating system around the container runtime, sorted by id. */
export const HOST_CHECKS: readonly NodeCheck[] = Object.freeze([
  hostCheck({
    id: 'host.automatic-login',
    title: 'No terminal logs in without a password',
    failTitle: 'Terminals log in without a password',
    severity: 'medium',
    rationale:
      'Whoever reaches the console, which for a virtual machine is everyone with access to the hypervisor, has a shell.',
    remediation: 'Remove --autologin from the drop-in of getty@.service or serial-getty@.service and restart the unit.',
    reference: 'https://man7.org/linux/man-pages/man8/agetty.8.html',
    reads: 'automaticLogins',
    whenAbsent: () => notApplicable('there are no terminals'),
    judge: (processes, source) => {
      const expected = 'no autologin';
      return judgeList({
        failed: processEvidence(processes, expected),
        unread: [],
        passed: { source, seen: 'none', expected },
        reason: 'a terminal is logged in without a password',
      });
    },
  }),
  hostCheck({
    id: 'host.automatic-updates',
    title: 'Security updates are installed without being asked',
    failTitle: 'Nothing installs security updates by itself',
    severity: 'low',
    rationale: 'Most break-ins use flaws that were fixed months before. A host that nobody updates collects them.',
    remediation:
      'Debian, Ubuntu: install unattended-upgrades and run dpkg-reconfigure -plow unattended-upgrades. Red Hat family: install dnf-automatic and enable its timer. SUSE: enable transactional-update.timer. Waive this where hosts are replaced instead of updated.',
    reference: 'https://wiki.debian.org/UnattendedUpgrades',
    reads: 'automaticUpdates',
    whenAbsent: (source, { host: { distribution } }) =>
      REPLACED_AS_A_WHOLE.has(distribution)
        ? notApplicable(`${distribution} is updated as a whole, from outside`)
        : fail('nothing that installs updates is enabled', { source, seen: 'nothing', expected: UPDATES }),
    judge: (what, source) => pass({ source, seen: what, expected: UPDATES }),
  }),
  hostCheck({
    id: 'host.binary-formats',
    title: 'No handler of binary formats runs with foreign rights',
    failTitle: 'Handlers of binary formats run with foreign rights',
    severity: 'medium',
    rationale:
      'A handler with the flag C runs with the rights of a set-user-ID file that it interprets; one with F is used in every container, whatever its file system.',
    remediation:
      'Remove handlers that nobody needs (echo -1 > /proc/sys/fs/binfmt_misc/NAME, then uninstall the package). QEMU handlers are for hosts that build images for other processors.',
    reference: 'https://docs.kernel.org/admin-guide/binfmt-misc.html',
    reads: 'binaryFormats',
    whenAbsent: passWith('binfmt_misc is not mounted', 'no handler with C or F'),
    judge: (handlers, source) => {
      const expected = 'no handler with C or F';
      const found = handlers.filter(({ flags }) => /[CF]/.test(flags));
      return found.length === 0
        ? pass({ source, seen: `${String(handlers.length)} handlers`, expected })
        : manual(
            'find out which package needs these handlers',
            ...found.slice(0, 8).map(({ name, interpreter, flags }) => ({
              source: `${source}/${name}`,
              seen: quote(`${interpreter} ${flags}`),
              expected,
            })),
          );
    },
  }),
  hostCheck({
    id: 'host.development-tools',
    title: 'No compilers or debuggers are installed on the host',
    failTitle: 'Compilers or debuggers are installed on the host',
    severity: 'low',
    rationale:
      'They save an attacker bringing his own: exploits for the kernel are built on the host, keys are read with a debugger.',
    remediation: 'Remove the packages of the named programs. Build in containers or elsewhere.',
    reference: 'https://cisofy.com/lynis/controls/HRDN-7222/',
    reads: 'developmentTools',
    whenAbsent: () => notApplicable('there is no /usr/bin'),
    judge: (tools, source) => {
      const expected = 'none';
      return judgeList({
        failed: tools.map((path) => ({ source: path, seen: 'installed', expected })),
        unread: [],
        passed: { source, seen: 'none of those that are known', expected },
        reason: 'a compiler or debugger is installed',
      });
    },
  }),
  hostCheck({
    id: 'host.job-files',
    title: 'Only root can change units and cron jobs',
    failTitle: 'Others than root can change units or cron jobs',
    severity: 'high',
    rationale:
      'init and cron run what is in these files as root: write access to one of them, or to its directory, is root access.',
    remediation: 'Run chown root:root and chmod go-w on the named files. Look at what is in them first.',
    reference: 'https://man7.org/linux/man-pages/man8/cron.8.html',
    reads: 'openJobFiles',
    whenAbsent: () => notApplicable('there are no units and no cron jobs'),
    judge: (files, source) => {
      const expected = 'only root can write';
      return judgeList({
        failed: files.map(({ path, reason }) => ({ source: path, seen: reason, expected })),
        unread: [],
        passed: { source, seen: 'none that others can change', expected },
        reason: 'others can change what runs as root',
      });
    },
  }),
  hostCheck({
    id: 'host.journal',
    title: 'System log survives a restart',
    failTitle: 'System log is lost at a restart',
    severity: 'low',
    rationale:
      'A log in memory is gone when the host restarts, which is what an attacker, or a crash that he caused, does.',
    remediation:
      'Set Storage=persistent in /etc/systemd/journald.conf and restart systemd-journald, or forward the log to another host.',
    reference: 'https://www.freedesktop.org/software/systemd/man/latest/journald.conf.html',
    reads: 'journal',
    whenAbsent: (source, { host }) =>
      judgeForwarders(host, { source, seen: 'journald does not run', expected: 'a log that is kept' }),
    judge: (storage, source, { host }) => {
      const evidence = { source, seen: storage, expected: 'persistent, or forwarded' };
      return storage === 'persistent' ? pass(evidence) : judgeForwarders(host, evidence);
    },
  }),
  hostCheck({
    id: 'host.kernel-current',
    title: 'Running kernel is the latest installed one',
    failTitle: 'A later kernel waits for a restart',
    severity: 'medium',
    rationale:
      'An update of the kernel protects only after a restart: until then, the flaws that it fixes are public and open.',
    remediation: 'Drain the host and restart it.',
    reference: 'https://docs.kernel.org/admin-guide/index.html',
    reads: 'kernels',
    whenAbsent: () => notApplicable('no kernel is installed on this host: it was started from outside'),
    judge: (kernels, source, { kernel: { release }, host: { restartRequired } }) => {
      const running = { source: '/proc/sys/kernel/osrelease', seen: release, expected: CURRENT };
      if (restartRequired.state === 'seen')
        return fail(
          'the distribution asks for a restart',
          { source: restartRequired.source, seen: 'exists', expected: 'absent' },
          running,
        );
      const later = kernels.filter((kernel) => isLaterKernel(kernel, release));
      if (later.length > 0)
        return fail(
          `kernel ${quote(later.at(-1) ?? '')} is installed`,
          { source, seen: quoteList(later), expected: CURRENT },
          running,
        );
      if (release === '') return unknownBecause('the release of the running kernel could not be read');
      return kernels.includes(release)
        ? pass(running)
        : notApplicable('the running kernel was not installed on this host', running);
    },
  }),
  hostCheck({
    id: 'host.library-preload',
    title: 'No library is preloaded into every program',
    failTitle: 'A library is preloaded into every program',
    severity: 'high',
    rationale:
      'A library in /etc/ld.so.preload runs inside every program of the host: the usual way to hide files and processes.',
    remediation:
      'Find out which package added the library and remove the line. If nobody knows it, treat the host as compromised.',
    reference: 'https://man7.org/linux/man-pages/man8/ld.so.8.html',
    reads: 'preloadedLibraries',
    whenAbsent: passWith('the file does not exist', NO_PRELOAD),
    judge: (libraries, source) =>
      judgeList({
        failed: libraries.map((path) => ({ source, seen: quote(path), expected: NO_PRELOAD })),
        unread: [],
        passed: { source, seen: 'empty', expected: NO_PRELOAD },
        reason: 'a library is loaded into every program',
      }),
  }),
  hostCheck({
    id: 'host.rare-modules',
    title: 'Rare kernel modules cannot be loaded',
    failTitle: 'Rare kernel modules can be loaded',
    severity: 'low',
    rationale:
      'The kernel loads protocols and file systems when a local user asks for them. These are seldom used and had flaws that gave root.',
    remediation:
      'For each named module add a line "install NAME /bin/false" to /etc/modprobe.d/rare.conf, and unload it (modprobe -r NAME).',
    reference: 'https://man7.org/linux/man-pages/man5/modprobe.d.5.html',
    reads: 'modules',
    whenAbsent: () => notApplicable('this kernel loads no modules'),
    judge: (modules, source) => {
      const expected = 'not loaded, and denied or not installed';
      return judgeList({
        failed: modules
          .filter(({ loaded, available, denied }) => loaded || (available && !denied))
          .map(({ name, loaded }) => ({ source, seen: `${name}: ${loaded ? 'loaded' : 'can be loaded'}`, expected })),
        unread: [],
        passed: { source, seen: 'none of those that are known', expected },
        reason: 'a kernel module that few hosts need can be used',
      });
    },
  }),
  hostCheck({
    id: 'host.remote-services',
    title: 'No other program than sshd gives remote access',
    failTitle: 'Other programs than sshd give remote access',
    severity: 'medium',
    rationale:
      'telnet, rsh, VNC, web terminals and agents of providers are doors of their own, which the rules for SSH do not cover and whose logins are recorded elsewhere.',
    remediation: 'Stop and remove the named programs. Waive this for an agent of the provider that you use.',
    reference: 'https://man.openbsd.org/sshd',
    reads: 'remoteServices',
    whenAbsent: () => notApplicable('there are no processes'),
    judge: (processes, source) => {
      const expected = 'none';
      return judgeList({
        failed: processEvidence(processes, expected),
        unread: [],
        passed: { source, seen: 'none of those that are known', expected },
        reason: 'a program beside sshd gives remote access',
      });
    },
  }),
  hostCheck({
    id: 'host.swap',
    title: 'Swap is off, encrypted or in memory',
    failTitle: 'Swap is written to disk in the clear',
    severity: 'low',
    rationale:
      'Swap keeps what was in the memory of processes, keys and secrets of pods among it, on the disk for whoever reads it later.',
    remediation:
      'Encrypt the area with dm-crypt (a random key for each boot is enough), or remove its entry from /etc/fstab and run swapoff AREA when free memory is larger than what is swapped out: otherwise the OOM killer ends processes. Set failSwapOn and memorySwap of the kubelet accordingly.',
    reference: 'https://kubernetes.io/docs/concepts/cluster-administration/swap-memory-management/',
    reads: 'swap',
    whenAbsent: passWith('this kernel has no swap', 'no unencrypted area'),
    judge: (areas, source) => {
      const expected = 'no unencrypted area';
      return judgeList({
        failed: areas.filter((area) => !area.protected).map(({ path }) => ({ source, seen: quote(path), expected })),
        unread: [],
        passed: { source, seen: areas.length === 0 ? 'no swap' : 'encrypted, or zram', expected },
        reason: 'a swap area is not encrypted',
      });
    },
  }),
  hostCheck({
    id: 'host.time-synchronization',
    title: 'Clock is synchronised with a server',
    failTitle: 'Clock is not synchronised with a server',
    severity: 'low',
    rationale:
      'With a wrong clock certificates seem expired or valid too long, and events of several hosts cannot be put in order.',
    remediation: 'Enable chronyd or systemd-timesyncd (timedatectl set-ntp true), and let UDP port 123 out.',
    reference: 'https://www.freedesktop.org/software/systemd/man/latest/systemd-timesyncd.service.html',
    reads: 'timeServices',
    whenAbsent: () => notApplicable('there are no processes'),
    judge: (services, source, { host: { clockSynchronized: set, distribution } }) => {
      const expected = 'a service that sets the clock';
      const simple = services.filter(({ name }) => name.startsWith('systemd-timesyn'));
      const evidence = processEvidence(services.slice(0, 8), expected);
      if (services.length > simple.length) return pass(...evidence);
      if (simple.length === 0) {
        const none = { source, seen: 'none of those that are known', expected };
        return distribution === TALOS
          ? manual('Talos sets the clock in its first process: compare with talosctl time', none)
          : fail('no known service sets the clock', none);
      }
      if (set.state === 'unreadable') return unknownBecause(`${set.source}: ${set.reason}`, ...evidence);
      const since = {
        source: set.source,
        seen: set.state === 'seen' ? 'exists' : 'does not exist',
        expected: 'exists',
      };
      return set.state === 'seen'
        ? pass(...evidence, since)
        : fail('systemd-timesyncd has not reached a server since boot', since, ...evidence);
    },
  }),
  nodeCheck({
    id: 'host.unusual-programs',
    title: 'Every process runs an installed program',
    failTitle: 'Processes run programs that are not installed',
    severity: 'high',
    severityLevels: [
      { severity: 'high', when: 'the program is in memory or in a directory for temporary files' },
      { severity: 'low', when: 'the file was removed or replaced while the program runs' },
    ],
    rationale:
      'Malware runs from memory or from /tmp and removes its file. After an update, a program that was not restarted keeps its old flaws.',
    remediation:
      'Look at the process (ls -l /proc/PID/exe, its parent, its connections) before you stop it. Restart services whose program was updated (needrestart, needs-restarting -s).',
    references: ['https://man7.org/linux/man-pages/man5/proc_pid_exe.5.html'],
    judges: 'node',
    needs: ['host'],
    judge: ({ host: { unusualPrograms: programs } }) => {
      const expected = 'an installed file';
      if (programs.state !== 'seen')
        return unknownBecause(
          programs.state === 'unreadable' ? `${programs.source}: ${programs.reason}` : programs.source,
        );
      const evidence = ({ pid, executable }: (typeof programs.value)[number]): Evidence => ({
        source: `/proc/${String(pid)}/exe`,
        seen: quote(executable),
        expected,
      });
      const suspicious = programs.value.filter(({ kind }) => kind !== 'deleted');
      const replaced = programs.value.filter(({ kind }) => kind === 'deleted');
      if (suspicious.length === 0 && replaced.length > 0)
        return failAs('low', 'a program was updated and not restarted', ...replaced.slice(0, 8).map(evidence));
      const passed = { source: programs.source, seen: 'no other', expected };
      const reason = 'a process runs a program from memory or from a temporary directory';
      return judgeList({ failed: suspicious.map(evidence), unread: [], passed, reason });
    },
  }),
]);

function judgeForwarders({ logForwarders: forwarders, distribution }: HostFact, evidence: Evidence): Judgement {
  if (forwarders.state === 'unreadable') return unknownBecause(`${forwarders.source}: ${forwarders.reason}`, evidence);
  const programs = forwarders.state === 'seen' ? forwarders.value : [];
  if (programs.length > 0) return pass(evidence, ...processEvidence(programs.slice(0, 4), evidence.expected));
  return distribution === TALOS
    ? manual('Talos forwards its log in its first process: look at machine.logging of its configuration', evidence)
    : fail('the log is neither kept on disk nor forwarded', evidence);
}
