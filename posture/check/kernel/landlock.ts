import { fail, pass, unknownBecause } from '../../verdict.ts';
import { nodeCheck } from '../check.ts';
import { quoteList } from '../evidence-text.ts';

export const landlock = nodeCheck({
  id: 'kernel.landlock',
  title: 'Landlock is available',
  failTitle: 'Landlock is not available',
  judgedBy: 'effect',
  severity: 'low',
  rationale:
    'Runtimes and services that use Landlock run without that confinement, and without a warning, on a kernel that does not offer it.',
  remediation: 'Add landlock to the lsm= list on the kernel command line of a kernel from 5.13 with Landlock built in.',
  references: ['https://docs.kernel.org/userspace-api/landlock.html'],
  judges: 'node',
  needs: ['kernel'],
  judge: ({ kernel: { lsm } }) => {
    if (lsm.state === 'unreadable') return unknownBecause(`${lsm.source}: ${lsm.reason}`);
    if (lsm.state === 'absent') return unknownBecause(`${lsm.source} does not exist: securityfs may not be mounted`);
    const evidence = {
      source: lsm.source,
      seen: quoteList(lsm.value),
      expected: 'landlock among the active modules',
    };
    return lsm.value.includes('landlock')
      ? pass(evidence)
      : fail('programs cannot confine themselves with Landlock', evidence);
  },
});
