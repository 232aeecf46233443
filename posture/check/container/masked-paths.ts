import { sourceOf } from '../../fact/container.ts';
import type { ContainerFact, Mount } from '../../fact/container.ts';
import type { KernelFact } from '../../fact/kernel.ts';
import type { Observed } from '../../observed.ts';
import { fail, pass, unknownBecause } from '../../verdict.ts';
import type { Evidence, Judgement } from '../../verdict.ts';
import { containerCheck } from '../check.ts';
import { allOf } from '../combine.ts';
import { notSeen, passOnEveryThread } from '../container-reading.ts';
import { quoteList } from '../evidence-text.ts';
import { mountAt } from '../mount.ts';

/** On every kernel that runs containers: if one of them is uncovered, the runtime applied no masks. */
const ALWAYS_MASKED = ['/sys/firmware'];
const ALWAYS_READ_ONLY = ['/proc/sys'];

/** Only on kernels that were built with them: an uncovered path may not exist. */
const USUALLY_MASKED = ['/proc/kcore', '/proc/keys', '/proc/timer_list'];
const USUALLY_READ_ONLY = ['/proc/sysrq-trigger'];

const EXPECTED = 'masked or read-only';

export const maskedPaths = containerCheck({
  id: 'container.masked-paths',
  title: 'Sensitive paths of /proc and /sys are masked',
  failTitle: 'Sensitive paths of /proc or /sys are exposed',
  judgedBy: 'effect',
  severity: 'high',
  rationale:
    'Unmasked, /proc/kcore and /proc/keys expose memory and keys of the host, and a writable /proc/sys changes kernel settings of the host: a core pattern that is written there starts a program on the host.',
  remediation:
    'Start the container without --security-opt systempaths=unconfined and without --privileged; on Kubernetes leave procMount at Default.',
  references: [
    'https://docs.docker.com/reference/cli/docker/container/run/#security-opt',
    'https://github.com/opencontainers/runtime-spec/blob/main/config-linux.md#masked-paths',
  ],
  judges: 'container',
  ownKernel: 'notApplicable',
  needs: ['kernel'],
  judge: (container, { kernel }) => {
    const declared = declaredEvidence(container);
    const judgeOne = (mounts: Observed<readonly Mount[]>): Judgement => {
      if (mounts.state === 'seen') return judgeMounts(container, kernel, mounts, declared);
      return asksForNone(container)
        ? fail('the container was started without masked paths', declared)
        : notSeen(mounts, declared);
    };
    const { mounts, mountNamespaces } = container;
    const judged = allOf('high', [mounts, ...mountNamespaces.map((namespace) => namespace.mounts)].map(judgeOne));
    return judged.verdict === 'pass' ? passOnEveryThread(container, ...judged.evidence) : judged;
  },
});

function judgeMounts(
  container: ContainerFact,
  { maskable }: Pick<KernelFact, 'maskable'>,
  { value: mounts, source }: Extract<Observed<readonly Mount[]>, { readonly state: 'seen' }>,
  declared: Evidence,
): Judgement {
  const exists = (path: string): boolean => maskable.state !== 'seen' || maskable.value.includes(path);
  const bareMasked = (path: string): boolean => isBare(mounts, path);
  const bareReadOnly = (path: string): boolean => isBareOrWritable(mounts, path);
  const always = [...ALWAYS_MASKED.filter(bareMasked), ...ALWAYS_READ_ONLY.filter(bareReadOnly)];
  const usually = [...USUALLY_MASKED.filter(bareMasked), ...USUALLY_READ_ONLY.filter(bareReadOnly)].filter(exists);
  const asked = askedPaths(container);
  // Where it is not known which paths the kernel has, one that the runtime was asked to cover and did not cover does not
  // exist.
  const left =
    maskable.state === 'seen'
      ? usually
      : asked === null || asked.length === 0
        ? []
        : usually.filter((path) => !asked.includes(path));
  const bare = always.length > 0 ? [...always, ...usually] : left;
  if (bare.length > 0)
    return fail(
      `the container can access ${quoteList(bare)} of the host`,
      { source, seen: `not covered: ${quoteList(bare)}`, expected: EXPECTED },
      declared,
    );
  if (asked === null && usually.length > 0)
    return unknownBecause(
      `${quoteList(usually)}: not covered, and the runtime does not report whether it was asked to cover them; if this kernel has them, the container can access them`,
      { source, seen: `not covered: ${quoteList(usually)}`, expected: EXPECTED },
      declared,
    );
  const covered = [...ALWAYS_MASKED, ...ALWAYS_READ_ONLY, ...USUALLY_MASKED, ...USUALLY_READ_ONLY].filter(
    (path) => exists(path) && !usually.includes(path),
  );
  return pass({ source, seen: `covered: ${quoteList(covered)}`, expected: EXPECTED }, declared);
}

/** Is the path not masked? A mask is another file system on top: an empty tmpfs, or /dev/null. */
function isBare(mounts: readonly Mount[], path: string): boolean {
  const mount = mountAt(mounts, path);
  return mount !== undefined && (mount.fsType === 'proc' || mount.fsType === 'sysfs');
}

function isBareOrWritable(mounts: readonly Mount[], path: string): boolean {
  return isBare(mounts, path) && mountAt(mounts, path)?.readOnly === false;
}

/** The paths that the runtime was asked to cover; null: it does not report them. */
function askedPaths({ declared: { maskedPaths: masked, readonlyPaths } }: ContainerFact): readonly string[] | null {
  return masked === null || readonlyPaths === null ? null : [...masked, ...readonlyPaths];
}

function asksForNone(container: ContainerFact): boolean {
  return container.declared.privileged || askedPaths(container)?.length === 0;
}

function declaredEvidence(container: ContainerFact): Evidence {
  const { privileged, maskedPaths: masked, readonlyPaths } = container.declared;
  if (privileged)
    return { source: sourceOf(container, 'privileged'), seen: 'declared privileged, so none', expected: EXPECTED };
  const seen =
    masked === null || readonlyPaths === null
      ? 'not reported by the runtime'
      : asksForNone(container)
        ? 'none'
        : `${String(masked.length)} masked, ${String(readonlyPaths.length)} read-only`;
  return { source: sourceOf(container, 'maskedPaths', 'readonlyPaths'), seen, expected: EXPECTED };
}
