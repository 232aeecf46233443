import { settingCheck } from './setting.ts';

export const protectKernelDefaults = settingCheck({
  id: 'kubelet.protect-kernel-defaults',
  title: 'Kubelet refuses other kernel tunables than it needs',
  failTitle: 'Kubelet changes kernel tunables of the host',
  severity: 'low',
  rationale:
    'The kubelet changes sysctls of the host that differ from what it needs, without a trace in the configuration of the host.',
  remediation:
    'Set vm.overcommit_memory=1, vm.panic_on_oom=0, kernel.panic=10, kernel.panic_on_oops=1, kernel.keys.root_maxkeys=1000000 and kernel.keys.root_maxbytes=25000000 in /etc/sysctl.d, then protectKernelDefaults: true in the configuration of the kubelet.',
  rule: {
    setting: 'protectKernelDefaults',
    expected: 'true',
    accepts: (value) => value === 'true',
    problem: 'the kubelet changes sysctls of the host',
    remedy: 'protectKernelDefaults: true',
  },
});
