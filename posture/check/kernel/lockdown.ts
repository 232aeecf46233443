import { fail, pass, unknownBecause } from '../../verdict.ts';
import { nodeCheck } from '../check.ts';

export const lockdown = nodeCheck({
  id: 'kernel.lockdown',
  title: 'Kernel lockdown is enabled',
  failTitle: 'Kernel lockdown is not enabled',
  judgedBy: 'effect',
  severity: 'medium',
  rationale:
    'Without lockdown, root can change the running kernel (unsigned modules, /dev/mem, kexec): an attacker who escaped a container can hide in it.',
  remediation:
    'Boot with lockdown=integrity and Secure Boot. The level confidentiality also blocks the kernel probes that eBPF sensors need.',
  references: ['https://man7.org/linux/man-pages/man7/kernel_lockdown.7.html'],
  judges: 'node',
  needs: ['kernel'],
  judge: ({ kernel: { lockdown, lsm } }) => {
    const expected = 'integrity or confidentiality';
    switch (lockdown.state) {
      case 'unreadable':
        return unknownBecause(`${lockdown.source}: ${lockdown.reason}`);
      case 'absent':
        // Only a readable list of modules proves that securityfs is there and the kernel has no lockdown.
        return lsm.state === 'seen'
          ? fail('this kernel has no lockdown', {
              source: lockdown.source,
              seen: 'this kernel has no lockdown',
              expected,
            })
          : unknownBecause(`${lockdown.source} does not exist: securityfs may not be mounted`);
      case 'seen': {
        const evidence = { source: lockdown.source, seen: `[${lockdown.value}]`, expected };
        return lockdown.value === 'none' ? fail('root can change the running kernel', evidence) : pass(evidence);
      }
    }
  },
});
