import { fail, pass, unknownBecause } from '../../verdict.ts';
import { nodeCheck } from '../check.ts';
import { quoteList } from '../evidence-text.ts';

export const seccomp = nodeCheck({
  id: 'kernel.seccomp',
  title: 'Kernel supports seccomp filters',
  failTitle: 'Kernel does not support seccomp filters',
  judgedBy: 'effect',
  severity: 'high',
  rationale: 'On a kernel without seccomp filters every container reaches all system calls, whatever its profile.',
  remediation:
    'Use a kernel that is built with CONFIG_SECCOMP and CONFIG_SECCOMP_FILTER; the kernels of all distributions are.',
  references: ['https://docs.kernel.org/userspace-api/seccomp_filter.html'],
  judges: 'node',
  needs: ['kernel'],
  judge: ({ kernel: { seccompActions: actions } }) => {
    const expected = 'errno among the actions';
    if (actions.state === 'unreadable') return unknownBecause(`${actions.source}: ${actions.reason}`);
    if (actions.state === 'absent')
      return fail('containers run without a seccomp filter on this kernel', {
        source: actions.source,
        seen: 'this kernel has no seccomp filters',
        expected,
      });
    const evidence = { source: actions.source, seen: quoteList(actions.value), expected };
    // The profiles of the runtimes answer with an error number: without that action they cannot be loaded.
    return actions.value.includes('errno')
      ? pass(evidence)
      : fail('the seccomp profiles of container runtimes cannot be loaded', evidence);
  },
});
