import { sourceOf } from '../../fact/container.ts';
import type { Capabilities, ContainerFact } from '../../fact/container.ts';
import { failAs, unknownBecause } from '../../verdict.ts';
import type { Evidence, Judgement, Severity } from '../../verdict.ts';
import { beyondDefault, CAPABILITY_NAMES, capabilityNames, plainName } from '../capability.ts';
import { containerCheck } from '../check.ts';
import { execCommand, notSeen, passOnEveryThread } from '../container-reading.ts';
import { declaredExcess } from '../declared-privilege.ts';
import { quoteList } from '../evidence-text.ts';
import { leastConfined } from '../namespace.ts';
import { userNamespaceOf } from '../user-remap.ts';
import { parameterized } from '../parameter.ts';

/** Each of these alone is a known way to control the host. */
const CRITICAL = new Set(['SYS_ADMIN', 'SYS_MODULE', 'SYS_PTRACE', 'SYS_RAWIO', 'DAC_READ_SEARCH', 'BPF']);

/** These act beyond the container, but do not give control of the host alone. */
const HIGH = new Set([
  'NET_ADMIN',
  'PERFMON',
  'SYS_BOOT',
  'SYS_TIME',
  'MAC_OVERRIDE',
  'MAC_ADMIN',
  'SYSLOG',
  'LINUX_IMMUTABLE',
  'AUDIT_CONTROL',
  'CHECKPOINT_RESTORE',
]);

/** The five sets as `/proc/PID/status` names them. */
const SETS: readonly (readonly [string, keyof Capabilities])[] = [
  ['CapEff', 'effective'],
  ['CapPrm', 'permitted'],
  ['CapBnd', 'bounding'],
  ['CapInh', 'inheritable'],
  ['CapAmb', 'ambient'],
];

/** Names that are listed, worst first; the hexadecimal word beside them holds all. */
const MAX_NAMES = 8;
/** A browser has a process for each page. */
const MAX_EVIDENCE = 4;

const EXPECTED = "none beyond Docker's 14 defaults";

const PARAMETERS = {
  allowed: {
    doc: 'capabilities that containers may have beyond the defaults, such as `NET_ADMIN`',
    default: [] as readonly string[],
    choices: CAPABILITY_NAMES,
    spell: plainName,
  },
};

export const capabilities = parameterized(PARAMETERS, ({ allowed: allowedNames }) =>
  containerCheck({
    id: 'container.capabilities',
    title: 'Container has only default capabilities',
    failTitle: 'Container has extra capabilities',
    judgedBy: 'effect',
    severity: 'critical',
    severityLevels: [
      {
        severity: 'critical',
        when: 'a capability gives control of the host, such as SYS_ADMIN, SYS_MODULE or SYS_PTRACE',
      },
      {
        severity: 'high',
        when: 'a capability acts beyond the container, such as NET_ADMIN; or control of the host is limited by user namespace remapping or a kernel of its own',
      },
      { severity: 'medium', when: 'other capabilities' },
      { severity: 'low', when: 'no process holds them now, or only in a user namespace of its own' },
    ],
    rationale:
      "Each capability is a part of root's power over the whole host. Some are enough to leave the container. The bounding set decides what any program in it can still obtain.",
    remediation:
      'Remove --cap-add for what the program does not need. Better, start from --cap-drop ALL and add single capabilities. In a pod, these are securityContext.capabilities.add and drop.',
    references: [
      'https://docs.docker.com/engine/security/#linux-kernel-capabilities',
      'https://man7.org/linux/man-pages/man7/capabilities.7.html',
    ],
    judges: 'container',
    ownKernel: 'declared',
    needs: ['docker'],
    engineSettings: ['api'],
    judge: (container, { docker }) => {
      const allowed = new Set(allowedNames.map(plainName));
      const asked = declaredExcess(container.declared).filter((name) => !allowed.has(name));
      const declared = declaredEvidence(container, asked);
      const observed = container.capabilities;
      const where = userNamespaceOf(container, docker);
      const failFor = (names: readonly string[], reason: string, evidence: readonly Evidence[]): Judgement =>
        failAs(severityOf(container, names, where), `${reason} ${someOf(worstFirst(names))}`, ...evidence);
      if (observed.state !== 'seen')
        return asked.length > 0
          ? failFor(asked, 'the container was started with', [declared])
          : notSeen(observed, declared);
      const own = excessOf(observed.value, observed.source, allowed);
      if (own === undefined) return unknownBecause(`${observed.source}: a capability set is not a hexadecimal word`);
      if (own.names.length > 0 && where !== 'self') {
        const evidence = [...own.evidence, declared];
        return isOutOfReach(container, observed.value, allowed)
          ? failAs(
              'low',
              'only the bounding set holds extra capabilities, out of reach under no_new_privs',
              ...evidence,
            )
          : failFor(own.names, 'processes of the container hold or can obtain', evidence);
      }
      const word = { source: observed.source, seen: `CapBnd ${observed.value.bounding}`, expected: EXPECTED };
      // No process holds them now, but the next one that `docker exec` starts does.
      if (asked.length > 0)
        return failAs(
          'low',
          `${execCommand(container)} starts the next process with ${someOf(worstFirst(asked))}`,
          word,
          declared,
        );
      // Any user can obtain these: they apply to that namespace only, but expose more of the kernel.
      const nested = [...(where === 'self' ? own.evidence : []), ...nestedExcess(container, allowed)];
      if (nested.length > 0)
        return failAs(
          'low',
          'a process holds extra capabilities in a user namespace that it created',
          ...nested.slice(0, MAX_EVIDENCE),
          declared,
        );
      return passOnEveryThread(container, word, declared);
    },
  }),
);

/**
 * Is what goes beyond the defaults in the bounding set only, while no thread may gain anything by execve? Such a
 * capability stays out of reach (capabilities(7), no_new_privs(2)) but for what an engine starts in the container.
 */
function isOutOfReach(
  { noNewPrivs, complete }: ContainerFact,
  sets: Capabilities,
  allowed: ReadonlySet<string>,
): boolean {
  if (!complete || noNewPrivs.state !== 'seen' || !noNewPrivs.value) return false;
  const others = SETS.filter(([, set]) => set !== 'bounding');
  return others.every(([, set]) => beyond(capabilityNames(sets[set]) ?? ['ALL'], allowed).length === 0);
}

/** What some sets hold beyond the defaults, worst first. */
interface Excess {
  readonly names: readonly string[];
  readonly evidence: readonly Evidence[];
}

/** Those of `names` that neither the engine gives by default nor the profile allows. */
function beyond(names: readonly string[], allowed: ReadonlySet<string>): readonly string[] {
  return beyondDefault(names).filter((name) => !allowed.has(name));
}

/** undefined where a set is not a hexadecimal word. */
function excessOf(
  sets: Capabilities,
  source: string,
  allowed: ReadonlySet<string>,
  expected = EXPECTED,
): Excess | undefined {
  const held = new Set<string>();
  const evidence: Evidence[] = [];
  for (const [word, labels] of byWord(sets)) {
    const names = capabilityNames(word);
    if (names === undefined) return undefined;
    const excess = worstFirst(beyond(names, allowed));
    for (const name of excess) held.add(name);
    if (excess.length > 0) evidence.push({ source, seen: `${labels} ${word}: ${someOf(excess)}`, expected });
  }
  return { names: [...held], evidence };
}

/** Capabilities of threads that are in a user namespace below that of the container. */
function nestedExcess({ otherContexts }: ContainerFact, allowed: ReadonlySet<string>): readonly Evidence[] {
  const nested = otherContexts.filter((context) => context.nested);
  return nested.flatMap(
    ({ capabilities: sets, source }) =>
      excessOf(sets, `${source}/status`, allowed, 'none, also not in a user namespace of its own')?.evidence ?? [],
  );
}

/** Labels of the sets by word; sets with the same word share an entry: `CapEff, CapPrm, CapBnd`. */
function byWord(sets: Capabilities): ReadonlyMap<string, string> {
  const labels = new Map<string, string>();
  for (const [label, set] of SETS) {
    const known = labels.get(sets[set]);
    labels.set(sets[set], known === undefined ? label : `${known}, ${label}`);
  }
  return labels;
}

function severityOf(
  container: ContainerFact,
  names: readonly string[],
  where: ReturnType<typeof userNamespaceOf>,
): Severity {
  const net = leastConfined(container, 'net');
  const onHostNetwork = net.state === 'seen' && net.value.host;
  const isCritical = names.some(
    (name) => name === 'ALL' || CRITICAL.has(name) || (name === 'NET_ADMIN' && onHostNetwork),
  );
  // In its own user namespace a container has power over that namespace only.
  const own = where === 'remapped';
  if (isCritical) return own ? 'high' : 'critical';
  return names.some((name) => HIGH.has(name)) && !own ? 'high' : 'medium';
}

function worstFirst(names: readonly string[]): readonly string[] {
  const rank = (name: string): number => (CRITICAL.has(name) ? 0 : HIGH.has(name) ? 1 : 2);
  return [...names].sort((one, other) => rank(one) - rank(other));
}

function someOf(names: readonly string[]): string {
  const left = names.length - MAX_NAMES;
  return left > 0 ? `${quoteList(names.slice(0, MAX_NAMES))} and ${String(left)} more` : quoteList(names);
}

function declaredEvidence(container: ContainerFact, asked: readonly string[]): Evidence {
  if (container.declared.privileged)
    return {
      source: sourceOf(container, 'privileged'),
      seen: 'declared privileged, so all of them',
      expected: EXPECTED,
    };
  const seen = asked.length === 0 ? 'nothing added beyond the defaults' : `added ${quoteList(asked)}`;
  return { source: sourceOf(container, 'capAdd'), seen, expected: EXPECTED };
}
