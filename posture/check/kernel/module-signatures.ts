import { fail, notApplicable, pass, unknownBecause } from '../../verdict.ts';
import { nodeCheck } from '../check.ts';
import { sysctlOf } from './sysctl.ts';

const EXPECTED = 'Y, or lockdown, or module loading disabled';

export const moduleSignatures = nodeCheck({
  id: 'kernel.module-signatures',
  title: 'The kernel loads signed modules only',
  severity: 'medium',
  rationale:
    'A process that may load modules and became root of the node writes its own kernel code: no other protection holds against that, and nothing sees it.',
  remediation:
    'Boot with module.sig_enforce=1 or lockdown=integrity, with own modules (nvidia, zfs) signed by an enrolled key; or set kernel.modules_disabled=1 once all modules are loaded.',
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
    // What could not be read might be what enforces it.
    for (const other of [lockdown, disabled])
      if (other.state === 'unreadable') return unknownBecause(`${other.source}: ${other.reason}`);
    return fail({
      source: enforced.source,
      seen: enforced.state === 'seen' ? 'N' : 'this kernel cannot verify signatures',
      expected: EXPECTED,
    });
  },
});
