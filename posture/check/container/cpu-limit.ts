import { sourceOf } from '../../fact/container.ts';
import type { Declared } from '../../fact/container.ts';
import type { Observed } from '../../observed.ts';
import { fail, notApplicable, pass } from '../../verdict.ts';
import type { Evidence, Judgement } from '../../verdict.ts';
import { containerCheck } from '../check.ts';
import { notSeen } from '../container-reading.ts';
import { quote } from '../evidence-text.ts';
import { isVirtualMachine } from '../own-kernel.ts';

/** The weight of a container that requests none. */
const DEFAULT_SHARES = 1024;

export const cpuLimit = containerCheck({
  id: 'container.cpu-limit',
  title: 'CPU weight or limit is set',
  failTitle: 'No effective CPU weight or limit is set',
  judgedBy: 'effect',
  severity: 'low',
  rationale:
    'Without a weight or limit a busy container competes on equal terms with everything else on the host and can starve it.',
  remediation:
    'Start the container with --cpus, --cpu-shares, --cpu-quota or --cpuset-cpus. In a pod, set resources.limits.cpu or resources.requests.cpu.',
  references: ['https://docs.docker.com/engine/containers/resource_constraints/#cpu'],
  judges: 'container',
  needs: ['node'],
  judge: (container, { node }) => {
    const { set, idle } = declaredLimits(container.declared, node.cpus);
    const declared = {
      source: sourceOf(container, 'cpuShares', 'nanoCpus', 'cpuQuota', 'cpusetCpus'),
      seen: [...set, ...idle].join(', ') || 'CpuShares, NanoCpus, CpuQuota and CpusetCpus are not set',
      expected: 'one of CpuShares, NanoCpus, CpuQuota, CpusetCpus',
    };
    const { maxMillicores, weightPermille, processors } = container.cpu;
    // A container that does not run has no cgroup.
    if (maxMillicores.state === 'absent')
      return set.length > 0 ? pass(declared) : failed(node.cpus, { set, idle }, [declared]);
    // If the number of processors is unknown, every limit counts.
    const cpus = node.cpus > 0 ? node.cpus : Number.POSITIVE_INFINITY;
    const limits: readonly CpuLimit[] = [
      {
        limit: maxMillicores,
        isEffective: (value) => value >= 0 && value < cpus * 1000,
        text: (value) => (value < 0 ? 'no quota' : `${String(value / 1000)} processors`),
      },
      {
        limit: weightPermille,
        isEffective: (value) => value !== 1000,
        text: (value) => `${String(value / 10)} % of the default weight`,
      },
      {
        limit: processors,
        // -1: no controller restricts the container to some processors.
        isEffective: (value) => value >= 0 && value < cpus,
        text: (value) => (value < 0 ? 'all processors' : `${String(value)} processors`),
      },
    ];
    const effective = limits.filter(({ limit, isEffective }) => limit.state === 'seen' && isEffective(limit.value));
    if (effective.length > 0) return pass(...effective.flatMap(evidenceOf), declared);
    const unseen = limits.map(({ limit }) => limit).find((limit) => limit.state !== 'seen');
    if (unseen !== undefined) return notSeen(unseen, declared);
    if (isVirtualMachine(container))
      return notApplicable('the processors of its virtual machine bound the container', declared);
    return failed(node.cpus, { set, idle }, [...limits.flatMap(evidenceOf), declared]);
  },
});

/** One of the ways in which a cgroup limits its processes. */
interface CpuLimit {
  readonly limit: Observed<number>;
  readonly isEffective: (value: number) => boolean;
  readonly text: (value: number) => string;
}

function evidenceOf({ limit, text }: CpuLimit): readonly Evidence[] {
  if (limit.state !== 'seen') return [];
  return [
    { source: limit.source, seen: text(limit.value), expected: 'less than the processors of the host, or a weight' },
  ];
}

/** The failure, with the reason why limits that were declared have no effect. */
function failed(cpus: number, { set, idle }: DeclaredLimits, evidence: readonly Evidence[]): Judgement {
  if (set.length === 0 && idle.length === 0)
    return fail('the container can use every CPU with normal weight', ...evidence);
  const host = { source: 'host', seen: `${String(cpus)} processors`, expected: 'more than the limit' };
  const reason =
    set.length > 0
      ? 'the declared CPU limit is not in force'
      : 'the declared CPU limit is not lower than the CPUs of the host';
  return fail(reason, ...evidence, host);
}

/** Default period in microseconds. */
const DEFAULT_PERIOD = 100_000;

/** Limits that have an effect (`set`), and limits that are not below what the host has (`idle`). */
interface DeclaredLimits {
  readonly set: readonly string[];
  readonly idle: readonly string[];
}

function declaredLimits(declared: Declared, cpus: number): DeclaredLimits {
  const { cpuShares, nanoCpus, cpuQuota, cpuPeriod, cpusetCpus } = declared;
  const set: string[] = [];
  const idle: string[] = [];
  // If the number of processors is unknown, every limit counts.
  const add = (processors: number, text: string): void => void (cpus > 0 && processors >= cpus ? idle : set).push(text);
  if (cpuShares > 0 && cpuShares !== DEFAULT_SHARES) set.push(`CpuShares ${String(cpuShares)}`);
  if (nanoCpus > 0) add(nanoCpus / 1e9, `NanoCpus ${String(nanoCpus)}`);
  const period = cpuPeriod > 0 ? cpuPeriod : DEFAULT_PERIOD;
  if (cpuQuota > 0) add(cpuQuota / period, `CpuQuota ${String(cpuQuota)} of ${String(period)}`);
  if (cpusetCpus !== '') add(countCpus(cpusetCpus, cpus), `CpusetCpus ${quote(cpusetCpus)}`);
  return { set, idle };
}

/** Number of processors of the host in a list such as `0-2,5`, cpuset(7). */
function countCpus(list: string, cpus: number): number {
  const found = new Set<number>();
  for (const part of list.split(',')) {
    const [, first = '', last = first] = /^\s*(\d{1,6})(?:-(\d{1,6}))?\s*$/.exec(part) ?? [];
    if (first !== '') for (let cpu = Number(first); cpu <= Number(last) && cpu < cpus; cpu += 1) found.add(cpu);
  }
  return found.size;
}
