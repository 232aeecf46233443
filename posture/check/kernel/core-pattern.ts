import { failAs, manual, notApplicable, pass, unknownBecause } from '../../verdict.ts';
import type { Evidence, Judgement } from '../../verdict.ts';
import { nodeCheck } from '../check.ts';
import { quote } from '../evidence-text.ts';
import { sysctlOf } from './sysctl.ts';

/** Where packages install programs, and only root writes. */
const PROGRAM_DIRECTORIES = ['/usr/', '/bin/', '/sbin/', '/lib/', '/lib64/'];
/** Where processes other than root, and containers, can write: a helper there is the trace of an escape. */
const WRITABLE_DIRECTORIES = ['/proc/', '/tmp/', '/var/', '/run/', '/dev/', '/home/', '/mnt/'];

export const corePattern = nodeCheck({
  id: 'kernel.core-pattern',
  title: 'Core dumps go to a safe place',
  severity: 'medium',
  rationale:
    'When a process in a container crashes, the kernel runs the piped helper as root of the node, outside the container: setting this pattern is a well-known way out. A relative pattern writes memory into whatever directory the process was in.',
  remediation:
    'Set kernel.core_pattern to an absolute path in a directory of root, or to the helper of a package (systemd-coredump, apport). A helper below /tmp, /var or /proc that nobody here installed means that a container has been root.',
  references: ['https://man7.org/linux/man-pages/man5/core.5.html'],
  judges: 'node',
  needs: ['kernel'],
  judge: ({ kernel }) => {
    const live = sysctlOf(kernel, 'kernel.core_pattern');
    if (live.state === 'unreadable') return unknownBecause(`${live.source}: ${live.reason}`);
    if (live.state === 'absent') return notApplicable('this kernel writes no core dumps');
    const pattern = live.value.trim();
    const evidence = {
      source: live.source,
      seen: pattern === '' ? 'empty' : quote(pattern),
      expected: 'an absolute path, or the helper of a package',
    };
    if (pattern.startsWith('|')) return judgeHelper(pattern.slice(1).trim(), evidence);
    return pattern.startsWith('/') ? pass(evidence) : failAs('low', evidence);
  },
});

function judgeHelper(command: string, evidence: Evidence): Judgement {
  // A path that climbs (`/usr/../tmp/x`) is what it climbs to, and no package writes one.
  if (command.includes('/../') || startsWithAny(command, WRITABLE_DIRECTORIES)) return failAs('high', evidence);
  if (startsWithAny(command, PROGRAM_DIRECTORIES)) return pass(evidence);
  return manual('find out which package the helper program belongs to', evidence);
}

function startsWithAny(text: string, prefixes: readonly string[]): boolean {
  return prefixes.some((prefix) => text.startsWith(prefix));
}
