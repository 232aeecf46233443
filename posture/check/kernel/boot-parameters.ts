import type { KernelFact } from '../../fact/kernel.ts';
import { fail, pass, unknownBecause } from '../../verdict.ts';
import { nodeCheck } from '../check.ts';
import { quoteList } from '../evidence-text.ts';
import { weakenedBy } from './weakening-parameters.ts';

/** Security modules that confine root. */
const ACCESS_CONTROLS: ReadonlySet<string> = new Set(['apparmor', 'selinux', 'smack', 'tomoyo']);

export const bootParameters = nodeCheck({
  id: 'kernel.boot-parameters',
  title: 'No boot parameter disables a protection',
  failTitle: 'Boot parameters disable kernel protections',
  judgedBy: 'configuration',
  severity: 'high',
  rationale:
    'One word on the kernel command line removes protections that the whole host relies on: address randomisation, CPU mitigations, mandatory access control, the audit trail.',
  remediation:
    'Remove the named parameters from the boot loader (GRUB_CMDLINE_LINUX in /etc/default/grub, then update-grub or grub2-mkconfig) and restart.',
  references: ['https://docs.kernel.org/admin-guide/kernel-parameters.html'],
  judges: 'node',
  needs: ['kernel'],
  judge: ({ kernel }) => {
    const { commandLine } = kernel;
    if (commandLine.state === 'unreadable') return unknownBecause(`${commandLine.source}: ${commandLine.reason}`);
    if (commandLine.state === 'absent') return unknownBecause(`${commandLine.source} does not exist`);
    const { off, undecided } = weakenedBy(commandLine.value, kernel);
    const weak = [...off, ...accessControlOff(kernel, commandLine.value)];
    const evidence = { source: commandLine.source, expected: 'no parameter that switches a protection off' };
    if (weak.length === 0 && undecided.length > 0)
      return unknownBecause(`whether it has an effect: ${kernel.cpuVulnerabilities.source} was not read`, {
        ...evidence,
        seen: quoteList(undecided),
      });
    return weak.length === 0
      ? pass({ ...evidence, seen: 'none of them' })
      : fail(`the kernel was booted with ${quoteList(weak)}`, { ...evidence, seen: quoteList(weak) });
  },
});

type Parameters = Readonly<Record<string, string>>;

/** A host that uses one security module disables the other, which is no weakness. */
function accessControlOff({ lsm }: KernelFact, parameters: Parameters): readonly string[] {
  const active = lsm.state === 'seen' ? lsm.value : [];
  const off: string[] = [];
  if (parameters['apparmor'] === '0' && !active.includes('selinux')) off.push('apparmor=0');
  if (parameters['selinux'] === '0' && !active.includes('apparmor')) off.push('selinux=0');
  if (parameters['enforcing'] === '0' && !active.includes('apparmor')) off.push('enforcing=0');
  const names = (value: string | undefined): boolean =>
    value === undefined || value.split(',').some((each) => ACCESS_CONTROLS.has(each));
  if (!names(active.join(',')))
    for (const name of ['security', 'lsm']) if (!names(parameters[name])) off.push(`${name}=${parameters[name] ?? ''}`);
  return off;
}
