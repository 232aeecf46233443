import { sysctlCheck } from './sysctl.ts';

export const kexecLoad = sysctlCheck({
  id: 'kernel.kexec-load',
  title: 'No other kernel can be loaded at run time',
  severity: 'low',
  rationale:
    'With kexec, root replaces the running kernel by one of his own, past Secure Boot and lockdown. A container that became root of the node stays there for good.',
  remediation:
    'sysctl -w kernel.kexec_load_disabled=1, and the same line in a file below /etc/sysctl.d so that it survives a restart. Not where kdump is used: it must be loaded first.',
  rules: [
    {
      name: 'kernel.kexec_load_disabled',
      expected: '1',
      accepts: (value) => value === 1,
      whenAbsent: { notApplicable: 'this kernel has no kexec' },
    },
  ],
});
