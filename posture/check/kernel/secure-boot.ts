import { fail, notApplicable, pass, unknownBecause } from '../../verdict.ts';
import { nodeCheck } from '../check.ts';

export const secureBoot = nodeCheck({
  id: 'kernel.secure-boot',
  title: 'Secure Boot is enabled',
  failTitle: 'Secure Boot is disabled',
  judgedBy: 'effect',
  severity: 'medium',
  rationale:
    'Without Secure Boot, an attacker who once had root access can replace the boot loader or the kernel and keep control of the host.',
  remediation:
    'Enable Secure Boot in the firmware (or in the settings of the virtual machine) with the keys of the distribution enrolled.',
  references: ['https://uefi.org/specs/UEFI/2.10/32_Secure_Boot_and_Driver_Signing.html'],
  judges: 'node',
  needs: ['kernel'],
  judge: ({ kernel: { secureBoot: state } }) => {
    if (state.state === 'unreadable') return unknownBecause(`${state.source}: ${state.reason}`);
    if (state.state === 'absent') return notApplicable('this machine did not boot by UEFI');
    const evidence = { source: state.source, seen: `SecureBoot ${state.value ? '1' : '0'}`, expected: 'SecureBoot 1' };
    return state.value ? pass(evidence) : fail('the firmware starts any boot loader and kernel', evidence);
  },
});
