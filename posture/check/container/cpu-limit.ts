import type { Declared } from '../../fact/container.ts';
import { fail, pass } from '../../verdict.ts';
import { containerCheck } from '../check.ts';
import { quote } from '../evidence-text.ts';

/** The weight of a container that requests none. */
const DEFAULT_SHARES = 1024;

export const cpuLimit = containerCheck({
  id: 'container.cpu-limit',
  title: 'CPU weight or limit is set',
  failTitle: 'No effective CPU weight or limit is set',
  severity: 'low',
  rationale:
    'Without a weight or limit a busy container competes on equal terms with everything else on the host and can starve it.',
  remediation: 'Start the container with --cpus, --cpu-shares, --cpu-quota or --cpuset-cpus.',
  references: ['https://docs.docker.com/engine/containers/resource_constraints/#cpu'],
  judges: 'container',
  needs: ['node'],
  judge: (container, { node }) => {
    const { set, idle } = declaredLimits(container.declared, node.cpus);
    const seen = [...set, ...idle].join(', ') || 'CpuShares, NanoCpus, CpuQuota and CpusetCpus are not set';
    const evidence = {
      source: 'inspect HostConfig',
      seen,
      expected: 'one of CpuShares, NanoCpus, CpuQuota, CpusetCpus',
    };
    if (set.length > 0) return pass(evidence);
    if (idle.length === 0) return fail('the container can use every CPU with normal weight', evidence);
    const host = { source: 'host', seen: `${String(node.cpus)} processors`, expected: 'more than the limit' };
    return fail('the CPU limit is not below the processors of the host', evidence, host);
  },
});

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
