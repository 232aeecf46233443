import type { KernelFact } from '../../fact/kernel.ts';
import { fail, pass, unknownBecause } from '../../verdict.ts';
import { nodeCheck } from '../check.ts';
import { quoteList } from '../evidence-text.ts';

/** Parameters that switch a protection off, by Documentation/admin-guide/kernel-parameters.txt. Empty: by its presence. */
const WEAKENING: readonly (readonly [name: string, value: string])[] = [
  ['mitigations', 'off'],
  ['nokaslr', ''],
  ['norandmaps', ''],
  ['nosmep', ''],
  ['nosmap', ''],
  ['nopti', ''],
  ['pti', 'off'],
  ['noexec', 'off'],
  ['audit', '0'],
  ['audit', 'off'],
  ['module.sig_enforce', '0'],
];

/** A shell as first process is a root shell without a password at the next boot. */
const SHELLS: ReadonlySet<string> = new Set(['sh', 'bash', 'dash', 'ash', 'zsh', 'ksh', 'busybox']);

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
    const weak = [...weakening(commandLine.value), ...accessControlOff(kernel, commandLine.value)];
    const evidence = { source: commandLine.source, expected: 'no parameter that switches a protection off' };
    return weak.length === 0
      ? pass({ ...evidence, seen: 'none of them' })
      : fail(`the kernel was booted with ${quoteList(weak)}`, { ...evidence, seen: quoteList(weak) });
  },
});

type Parameters = Readonly<Record<string, string>>;

function weakening(parameters: Parameters): readonly string[] {
  const weak: string[] = [];
  for (const [name, value] of WEAKENING) {
    if (!Object.hasOwn(parameters, name)) continue;
    if (value === '') weak.push(name);
    // mitigations takes a list: `off,nosmt` is off as well.
    else if (parameters[name]?.split(',').includes(value) === true) weak.push(`${name}=${value}`);
  }
  const init = Object.hasOwn(parameters, 'init') ? (parameters['init'] ?? '') : '';
  if (SHELLS.has(init.slice(init.lastIndexOf('/') + 1))) weak.push(`init=${init}`);
  return weak;
}

/** A host that uses one security module disables the other, which is no weakness. */
function accessControlOff({ lsm }: KernelFact, parameters: Parameters): readonly string[] {
  const active = lsm.state === 'seen' ? lsm.value : [];
  const off: string[] = [];
  if (parameters['apparmor'] === '0' && !active.includes('selinux')) off.push('apparmor=0');
  if (parameters['selinux'] === '0' && !active.includes('apparmor')) off.push('selinux=0');
  if (parameters['enforcing'] === '0' && !active.includes('apparmor')) off.push('enforcing=0');
  return off;
}
