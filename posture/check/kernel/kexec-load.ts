import { sysctlCheck } from './sysctl.ts';

export const kexecLoad = sysctlCheck({
  id: 'kernel.kexec-load',
  title: 'Loading another kernel is disabled',
  failTitle: 'Loading another kernel is possible',
  severity: 'low',
  rationale:
    'With kexec, root replaces the running kernel, bypassing Secure Boot and lockdown. An attacker who escaped a container can stay permanently.',
  remediation:
    'Run sysctl -w kernel.kexec_load_disabled=1, and add the line to /etc/sysctl.d/99-zz-hardening.conf to keep it after a restart. Not where kdump is used: it must be loaded first.',
  rules: [
    {
      name: 'kernel.kexec_load_disabled',
      expected: '1',
      accepts: (value) => value === 1,
      whenAbsent: { notApplicable: 'this kernel has no kexec' },
    },
  ],
});
