import { failAs, manual, notApplicable, pass, unknownBecause } from '../../verdict.ts';
import type { KernelFact } from '../../fact/kernel.ts';
import type { Evidence, Judgement } from '../../verdict.ts';
import { nodeCheck } from '../check.ts';
import { quote } from '../evidence-text.ts';
import { sysctlOf } from './sysctl.ts';

/** Where packages install programs and only root can write. */
const PROGRAM_DIRECTORIES = ['/usr/', '/bin/', '/sbin/', '/lib/', '/lib64/'];
/** Where unprivileged processes and containers can write: a helper there indicates a container escape. */
const WRITABLE_DIRECTORIES = ['/proc/', '/tmp/', '/var/', '/run/', '/dev/', '/home/', '/mnt/'];

export const corePattern = nodeCheck({
  id: 'kernel.core-pattern',
  title: 'Core dumps go to a safe location',
  failTitle: 'Core dumps go to an unsafe location',
  judgedBy: 'effect',
  severity: 'high',
  severityLevels: [
    { severity: 'high', when: 'others can change the helper, or write to its directory' },
    { severity: 'low', when: 'the pattern is relative' },
  ],
  rationale:
    'When a process in a container crashes, the kernel runs the piped helper as root of the host, outside the container: setting this pattern is a known container escape. A relative pattern writes memory into the current directory of the process.',
  remediation:
    'Set kernel.core_pattern to an absolute path in a directory of root, or to the helper of a package (systemd-coredump, apport). Find out who set an unknown helper below /tmp, /var or /proc: this is what a container escape leaves behind.',
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
    if (pattern.startsWith('|')) return judgeHelper(pattern.slice(1).trim(), evidence, kernel.coreHelper);
    // coredump sockets, core(5): `@/run/x`, `@@/run/x`.
    if (/^@@?\//.test(pattern) && hasCoredumpSockets(kernel.release))
      return manual('find out which program listens on this socket', evidence);
    return pattern.startsWith('/')
      ? pass(evidence)
      : failAs('low', 'core dumps are written to the current directory of the process', evidence);
  },
});

/** Linux 6.16 added them; before, such a pattern is the name of a file. */
function hasCoredumpSockets(release: string): boolean {
  const [, major = '0', minor = '0'] = /^(\d{1,4})\.(\d{1,4})/.exec(release) ?? [];
  return Number(major) > 6 || (Number(major) === 6 && Number(minor) >= 16);
}

function judgeHelper(command: string, evidence: Evidence, helper: KernelFact['coreHelper']): Judgement {
  // `/usr/../tmp/x` is in /tmp, and no package sets such a path.
  if (command.includes('/../') || startsWithAny(command, WRITABLE_DIRECTORIES))
    return failAs('high', 'the kernel runs a helper as root from a directory that others can write to', evidence);
  if (helper.state !== 'seen')
    return unknownBecause(
      `who can change the helper: ${helper.source}: ${helper.state === 'unreadable' ? helper.reason : 'it was not read'}`,
      evidence,
    );
  const { path, isMissing, changeable } = helper.value;
  const who = { source: path, expected: 'only root can change it' };
  if (changeable !== '')
    return failAs('high', 'the kernel runs a helper as root that others can change', evidence, {
      ...who,
      seen: changeable,
    });
  if (startsWithAny(path, WRITABLE_DIRECTORIES))
    return failAs('high', 'the kernel runs a helper as root from a directory that others can write to', evidence, {
      ...who,
      seen: 'it is there, links followed',
    });
  if (startsWithAny(path, PROGRAM_DIRECTORIES))
    return pass(evidence, {
      ...who,
      seen: isMissing ? 'it does not exist, and only root can create it' : 'only root can',
    });
  return manual('find out which package contains the helper program', evidence);
}

function startsWithAny(text: string, prefixes: readonly string[]): boolean {
  return prefixes.some((prefix) => text.startsWith(prefix));
}
