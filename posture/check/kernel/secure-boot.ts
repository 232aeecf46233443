import { fail, notApplicable, pass, unknownBecause } from '../../verdict.ts';
import { nodeCheck } from '../check.ts';

const EXPECTED = 'SecureBoot 1, SetupMode 0, and a shim that verifies';

/** Variables that take back what SecureBoot says. */
const OFF: readonly (readonly [name: string, seen: string, reason: string])[] = [
  ['/SetupMode-', 'SetupMode 1', 'the firmware is in setup mode, in which everybody enrolls keys'],
  ['/MokSBStateRT-', 'MokSBStateRT 1', 'shim was told to start kernels without verifying them'],
];

export const secureBoot = nodeCheck({
  id: 'kernel.secure-boot',
  title: 'Secure Boot is enabled',
  failTitle: 'Secure Boot is disabled',
  judgedBy: 'effect',
  severity: 'medium',
  rationale:
    'Without Secure Boot, an attacker who once had root access can replace the boot loader or the kernel and keep control of the host.',
  remediation:
    'Enable Secure Boot in the firmware (or in the settings of the virtual machine) with the keys of the distribution enrolled. Where shim verifies nothing, run mokutil --enable-validation and restart.',
  references: ['https://uefi.org/specs/UEFI/2.10/32_Secure_Boot_and_Driver_Signing.html'],
  judges: 'node',
  needs: ['kernel'],
  judge: ({ kernel: { secureBoot: state } }) => {
    if (state.state === 'unreadable') return unknownBecause(`${state.source}: ${state.reason}`);
    if (state.state === 'absent') return notApplicable('this machine did not boot by UEFI');
    if (state.value) return pass({ source: state.source, seen: 'SecureBoot 1', expected: EXPECTED });
    const [, seen, reason] = OFF.find(([name]) => state.source.includes(name)) ?? [
      '',
      'SecureBoot 0',
      'the firmware starts any boot loader and kernel',
    ];
    return fail(reason, { source: state.source, seen, expected: EXPECTED });
  },
});
