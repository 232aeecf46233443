import { sysctlCheck } from './sysctl.ts';

export const modulesDisabled = sysctlCheck({
  id: 'kernel.modules-disabled',
  title: 'No further kernel modules can be loaded',
  failTitle: 'Further kernel modules can be loaded',
  severity: 'info',
  rationale:
    'Once it is set, not even root loads a module until the next boot: no rootkit in the kernel. Network plugins, storage drivers and eBPF tools have to load theirs before.',
  remediation:
    'On hosts whose modules are all loaded at boot, run sysctl -w kernel.modules_disabled=1 as the last step of boot. Do not set it in /etc/sysctl.d, which is read too early.',
  rules: [
    {
      name: 'kernel.modules_disabled',
      expected: '1',
      accepts: (value) => value === 1,
      whenAbsent: { notApplicable: 'this kernel has no such setting' },
    },
  ],
});
