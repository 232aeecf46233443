import type { KernelFact } from '../../fact/kernel.ts';
import { fail, pass, unknownBecause } from '../../verdict.ts';
import type { Evidence } from '../../verdict.ts';
import { nodeCheck } from '../check.ts';
import { quoteList } from '../evidence-text.ts';

const EXPECTED = 'apparmor or selinux among the active modules';

export const mandatoryAccessControl = nodeCheck({
  id: 'kernel.mandatory-access-control',
  title: 'AppArmor or SELinux is active',
  failTitle: 'Neither AppArmor nor SELinux is active',
  judgedBy: 'effect',
  severity: 'high',
  rationale:
    'Without mandatory access control nothing restricts a process that escaped its container as root: file permissions do not bind root.',
  remediation:
    'Boot with AppArmor (Debian, Ubuntu, SUSE: apparmor=1 security=apparmor, package apparmor) or SELinux (Red Hat family), and read /sys/kernel/security/lsm after the restart. A host that never ran SELinux does not boot with SELINUX=enforcing: set SELINUX=permissive, create /.autorelabel, restart, and set enforcing once no denials are logged.',
  references: ['https://docs.kernel.org/admin-guide/LSM/index.html'],
  judges: 'node',
  needs: ['kernel'],
  judge: ({ kernel }) => {
    if (kernel.lsm.state === 'seen') {
      const evidence = { source: kernel.lsm.source, seen: quoteList(kernel.lsm.value), expected: EXPECTED };
      return kernel.lsm.value.some((name) => name === 'apparmor' || name === 'selinux')
        ? pass(evidence)
        : fail('no security module restricts processes of root', evidence);
    }
    // The list is in securityfs, which is often not mounted: its absence proves nothing.
    const other = otherProof(kernel);
    if (other !== undefined) return pass(other);
    return unknownBecause(
      kernel.lsm.state === 'unreadable'
        ? `${kernel.lsm.source}: ${kernel.lsm.reason}`
        : `${kernel.lsm.source} does not exist: securityfs may not be mounted`,
    );
  },
});

function otherProof({ apparmor, selinux }: KernelFact): Evidence | undefined {
  if (apparmor.state === 'seen' && apparmor.value) return { source: apparmor.source, seen: 'Y', expected: EXPECTED };
  if (selinux.state === 'seen' && selinux.value !== 'disabled')
    return { source: selinux.source, seen: selinux.value, expected: EXPECTED };
  return undefined;
}
