import { nodeCheck } from '../check.ts';
import { allOf } from '../combine.ts';
import { withoutKubelet } from '../kubelet/setting.ts';
import { judgeSysctl } from './sysctl.ts';
import type { SysctlRule } from './sysctl.ts';

/** Values that the kubelet sets at its start; with `--protect-kernel-defaults` it requires them instead. */
const KUBELET_TUNABLES: readonly SysctlRule[] = (
  [
    ['vm.overcommit_memory', 1],
    ['vm.panic_on_oom', 0],
    ['kernel.panic', 10],
    ['kernel.panic_on_oops', 1],
    ['kernel.keys.root_maxkeys', 1_000_000],
    ['kernel.keys.root_maxbytes', 25_000_000],
  ] as const
).map(([name, value]) => ({
  name,
  expected: String(value),
  accepts: (actual) => actual === value,
  whenAbsent: { notApplicable: 'this kernel has no such setting' },
}));

export const kubeletTunables = nodeCheck({
  id: 'kernel.kubelet-tunables',
  title: 'Kernel tunables are those that the kubelet needs',
  failTitle: 'Kernel tunables differ from what the kubelet needs',
  judgedBy: 'effect',
  severity: 'low',
  rationale:
    'A kubelet with protectKernelDefaults does not start where these differ. Without it, the kubelet changes values that the host was configured with.',
  remediation:
    'Add vm.overcommit_memory = 1, vm.panic_on_oom = 0, kernel.panic = 10, kernel.panic_on_oops = 1, kernel.keys.root_maxkeys = 1000000 and kernel.keys.root_maxbytes = 25000000 to /etc/sysctl.d/99-zz-hardening.conf and run sysctl --system.',
  references: ['https://kubernetes.io/docs/reference/command-line-tools-reference/kubelet/'],
  judges: 'node',
  needs: ['kernel', 'kubelet'],
  judge: ({ kernel, kubelet }) =>
    withoutKubelet(kubelet) ??
    allOf(
      'low',
      KUBELET_TUNABLES.map((rule) => judgeSysctl(kernel, rule)),
    ),
});
