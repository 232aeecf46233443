import type { Declared } from '../../fact/container.ts';
import { fail, pass } from '../../verdict.ts';
import { containerCheck } from '../check.ts';
import { quote } from '../evidence-text.ts';

/** The share that the kernel gives where nothing was asked for. */
const DEFAULT_SHARES = 1024;

export const cpuLimit = containerCheck({
  id: 'container.cpu-limit',
  title: 'Every container has a share, quota or set of processors',
  severity: 'low',
  rationale:
    'Without a share or quota a busy container competes on equal terms with everything else on the node and can starve it.',
  remediation: 'Start the container with --cpus, --cpu-shares, --cpu-quota or --cpuset-cpus.',
  references: ['https://docs.docker.com/engine/containers/resource_constraints/#cpu'],
  judges: 'container',
  needs: [],
  judge: (container) => {
    const set = declaredLimits(container.declared);
    const seen = set.length === 0 ? 'CpuShares, NanoCpus, CpuQuota and CpusetCpus are not set' : set.join(', ');
    const evidence = {
      source: 'inspect HostConfig',
      seen,
      expected: 'one of CpuShares, NanoCpus, CpuQuota, CpusetCpus',
    };
    return set.length === 0 ? fail(evidence) : pass(evidence);
  },
});

function declaredLimits({ cpuShares, nanoCpus, cpuQuota, cpusetCpus }: Declared): readonly string[] {
  const set: string[] = [];
  if (cpuShares > 0 && cpuShares !== DEFAULT_SHARES) set.push(`CpuShares ${String(cpuShares)}`);
  if (nanoCpus > 0) set.push(`NanoCpus ${String(nanoCpus)}`);
  if (cpuQuota > 0) set.push(`CpuQuota ${String(cpuQuota)}`);
  if (cpusetCpus !== '') set.push(`CpusetCpus ${quote(cpusetCpus)}`);
  return set;
}
