import type { HostFact } from '../../fact/host.ts';
import type { Facts } from '../../fact/facts.ts';
import type { Observed } from '../../observed.ts';
import { fail, manual, notApplicable, pass, unknownBecause } from '../../verdict.ts';
import type { Judgement } from '../../verdict.ts';
import { nodeCheck } from '../check.ts';
import type { NodeCheck, RuleText } from '../check.ts';
import { quote, quoteList } from '../evidence-text.ts';
import { judgeList } from '../judge-list.ts';
import { isLaterKernel } from './kernel-release.ts';

type Text = Omit<RuleText, 'severityLevels'>;

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
    judgedBy: 'effect',
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

/** Nothing to find is a pass. */
const passWith =
  (seen: string, expected: string) =>
  (source: string): Judgement =>
    pass({ source, seen, expected });

const CURRENT = 'the running kernel is the latest installed one';

/** Checks of the operating system around the container runtime, sorted by id. */
export const HOST_CHECKS: readonly NodeCheck[] = Object.freeze([
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
    id: 'host.rare-modules',
    title: 'Rare kernel modules cannot be loaded',
    failTitle: 'Rare kernel modules can be loaded',
    judgedBy: 'configuration',
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
]);
