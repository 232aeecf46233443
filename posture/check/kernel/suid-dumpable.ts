import { fail, pass, unknownBecause } from '../../verdict.ts';
import { nodeCheck } from '../check.ts';
import { quote } from '../evidence-text.ts';
import { judgeSysctl, sysctlOf } from './sysctl.ts';

const EXPECTED = '0, or 2 with a core pattern that is absolute or a pipe';

export const suidDumpable = nodeCheck({
  id: 'kernel.suid-dumpable',
  title: 'Core dumps of setuid programs are safe',
  failTitle: 'Core dumps of setuid programs are exposed',
  judgedBy: 'effect',
  severity: 'medium',
  rationale:
    'The core dump of a set-user-ID program contains what it read as root: password hashes, keys. The user who runs it may read the dump and choose its location.',
  remediation:
    'Run sysctl -w fs.suid_dumpable=0, and add the line to /etc/sysctl.d/99-zz-hardening.conf. If systemd-coredump collects dumps, the value 2 is accepted.',
  references: ['https://docs.kernel.org/admin-guide/sysctl/fs.html'],
  judges: 'node',
  needs: ['kernel'],
  judge: ({ kernel }) => {
    const live = sysctlOf(kernel, 'fs.suid_dumpable');
    if (live.state !== 'seen' || live.value.trim() !== '2')
      return judgeSysctl(kernel, {
        name: 'fs.suid_dumpable',
        expected: EXPECTED,
        accepts: (value) => value === 0,
        whenAbsent: { notApplicable: 'this kernel writes no core dumps' },
      });
    const pattern = sysctlOf(kernel, 'kernel.core_pattern');
    const own = { source: live.source, seen: 'fs.suid_dumpable = 2', expected: EXPECTED };
    if (pattern.state === 'unreadable') return unknownBecause(`${pattern.source}: ${pattern.reason}`, own);
    const text = pattern.state === 'seen' ? pattern.value.trim() : '';
    const place = { source: pattern.source, seen: `kernel.core_pattern = ${quote(text)}`, expected: EXPECTED };
    return text.startsWith('|') || text.startsWith('/')
      ? pass(own, place)
      : fail('users can choose where core dumps of root are written', own, place);
  },
});
