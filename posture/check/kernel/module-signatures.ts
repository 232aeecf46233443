import { fail, notApplicable, pass, unknownBecause } from '../../verdict.ts';
import { nodeCheck } from '../check.ts';
import { sysctlOf } from './sysctl.ts';

const EXPECTED = 'Y, or lockdown, or module loading disabled';

export const moduleSignatures = nodeCheck({
  id: 'kernel.module-signatures',
  title: 'Kernel loads only signed modules',
  failTitle: 'Kernel loads unsigned modules',
  judgedBy: 'effect',
  severity: 'medium',
  rationale:
    'An attacker with root access who may load modules runs code in the kernel: no other protection applies there, and nothing observes it.',
  remediation:
    'Boot with module.sig_enforce=1 or lockdown=integrity, and sign your own modules (nvidia, zfs) with an enrolled key; or set kernel.modules_disabled=1 after all modules are loaded.',
  references: ['https://docs.kernel.org/admin-guide/module-signing.html'],
  judges: 'node',
  needs: ['kernel'],
  judge: ({ kernel }) => {
    const { moduleSignatureEnforced: enforced, lockdown } = kernel;
    if (lockdown.state === 'seen' && lockdown.value !== 'none')
      return pass({ source: lockdown.source, seen: `[${lockdown.value}]`, expected: EXPECTED });
    const disabled = sysctlOf(kernel, 'kernel.modules_disabled');
    if (disabled.state === 'seen' && disabled.value.trim() === '1')
      return pass({ source: disabled.source, seen: 'kernel.modules_disabled = 1', expected: EXPECTED });
    // The kernel has this sysctl whenever it can load modules at all.
    if (disabled.state === 'absent') return notApplicable('this kernel cannot load modules');
    if (enforced.state === 'unreadable') return unknownBecause(`${enforced.source}: ${enforced.reason}`);
    if (enforced.state === 'seen' && enforced.value)
      return pass({ source: enforced.source, seen: 'Y', expected: EXPECTED });
    // A value that could not be read may be the one that enforces signatures.
    for (const other of [lockdown, disabled])
      if (other.state === 'unreadable') return unknownBecause(`${other.source}: ${other.reason}`);
    return fail('root can load unsigned code into the kernel', {
      source: enforced.source,
      seen: enforced.state === 'seen' ? 'N' : 'this kernel cannot verify signatures',
      expected: EXPECTED,
    });
  },
});
