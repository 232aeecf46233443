import { fail, pass, unknownBecause } from '../../verdict.ts';
import { nodeCheck } from '../check.ts';

/** Bits of Documentation/admin-guide/tainted-kernels.rst for code that the distribution did not sign. */
const FOREIGN: readonly (readonly [bit: number, letter: string, meaning: string])[] = [
  [1, 'F', 'a module was force loaded'],
  [12, 'O', 'a module from outside the kernel tree was loaded'],
  [13, 'E', 'an unsigned module was loaded'],
];

export const tainted = nodeCheck({
  id: 'kernel.tainted',
  title: 'Kernel is not tainted by modules',
  failTitle: 'Kernel is tainted by modules',
  judgedBy: 'effect',
  severity: 'medium',
  rationale:
    'Unsigned modules are how rootkits persist and how untested code crashes the host. The mark remains until the next boot, even after the module is unloaded.',
  remediation:
    'Look for modules marked (O), (E) or (F) in /proc/modules. Sign those that you expect (nvidia, zfs) and waive the finding; otherwise treat the host as compromised.',
  references: ['https://docs.kernel.org/admin-guide/tainted-kernels.html'],
  judges: 'node',
  needs: ['kernel'],
  judge: ({ kernel: { tainted: state } }) => {
    if (state.state === 'unreadable') return unknownBecause(`${state.source}: ${state.reason}`);
    if (state.state === 'absent') return unknownBecause(`${state.source} does not exist`);
    const found = FOREIGN.filter(([bit]) => hasBit(state.value, bit));
    const meanings = found.map(([, letter, meaning]) => `${letter}: ${meaning}`).join('; ');
    const evidence = {
      source: state.source,
      seen: found.length === 0 ? String(state.value) : `${String(state.value)} (${meanings})`,
      expected: 'bits 1 (F), 12 (O) and 13 (E) clear',
    };
    return found.length === 0
      ? pass(evidence)
      : fail(`since boot: ${found.map(([, , meaning]) => meaning).join('; ')}`, evidence);
  },
});

/** By division: the bit operators of the language stop at 32 bits, and the kernel may not. */
function hasBit(value: number, bit: number): boolean {
  return Math.floor(value / 2 ** bit) % 2 === 1;
}
