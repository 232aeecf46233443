import type { KernelFact } from '../../fact/kernel.ts';
import { fail, failAs, notApplicable, pass, unknownBecause } from '../../verdict.ts';
import type { Evidence, Judgement } from '../../verdict.ts';
import { nodeCheck } from '../check.ts';

export const selinuxEnforcing = nodeCheck({
  id: 'kernel.selinux-enforcing',
  title: 'SELinux is permanently enforcing',
  failTitle: 'SELinux is not permanently enforcing',
  judgedBy: 'effect',
  severity: 'high',
  severityLevels: [
    { severity: 'high', when: 'SELinux is not enforcing now' },
    { severity: 'medium', when: 'SELinux is enforcing now, but not after the next boot' },
  ],
  rationale:
    'A permissive SELinux only logs what a container should not have been able to do. A mode that was changed by hand ends with the next restart.',
  remediation:
    'Read the denials first (ausearch -m AVC -ts boot): what they name stops in enforcing mode. Then set SELINUX=enforcing in /etc/selinux/config, remove enforcing=0 and selinux=0 from the kernel command line, and restart; where SELinux was off, relabel once in permissive mode (/.autorelabel). setenforce 1 applies it until the next restart.',
  references: ['https://man7.org/linux/man-pages/man8/selinux.8.html'],
  judges: 'node',
  needs: ['kernel'],
  judge: ({ kernel }) => {
    switch (kernel.selinux.state) {
      case 'unreadable':
        return unknownBecause(`${kernel.selinux.source}: ${kernel.selinux.reason}`);
      case 'absent':
        return judgeInactive(kernel, kernel.selinux.source, 'no SELinux');
      case 'seen':
        return kernel.selinux.value === 'disabled'
          ? judgeInactive(kernel, kernel.selinux.source, 'disabled')
          : judgeActive(kernel, kernel.selinux.value, kernel.selinux.source);
    }
  },
});

function judgeActive(kernel: KernelFact, mode: 'enforcing' | 'permissive', source: string): Judgement {
  const live: Evidence = { source, seen: mode, expected: 'enforcing' };
  const configured = configuredMode(kernel);
  if (mode === 'permissive')
    return fail('SELinux is permissive and blocks nothing', live, ...(configured === undefined ? [] : [configured]));
  const parameter = weakParameter(kernel);
  if (parameter !== undefined)
    return failAs('medium', 'a boot parameter disables SELinux at the next boot', live, parameter);
  if (configured === undefined) return pass(live);
  return configured.seen === 'SELINUX=enforcing'
    ? pass(live, configured)
    : failAs('medium', 'SELinux will not enforce its policy after the next boot', live, configured);
}

/** SELinux is not active: a failure only on a host that is configured to use it. */
function judgeInactive(kernel: KernelFact, source: string, seen: string): Judgement {
  const configured = configuredMode(kernel);
  if (configured?.seen === 'SELINUX=enforcing')
    return fail('SELinux is configured but not active', { source, seen, expected: 'enforcing' }, configured);
  if (kernel.lsm.state === 'seen' && kernel.lsm.value.includes('selinux'))
    return unknownBecause(`${source}: SELinux is active, but its mode is not visible (selinuxfs is not mounted)`);
  // Without the list of modules, an active SELinux whose file system is not mounted looks the same.
  if (kernel.lsm.state !== 'seen' && kernel.selinux.state === 'absent' && configured !== undefined)
    return unknownBecause(`${kernel.lsm.source} could not be read, so it is unknown whether SELinux is active`);
  return notApplicable('SELinux is not used on this host; see kernel.mandatory-access-control');
}

function configuredMode({ selinuxConfigured }: KernelFact): Evidence | undefined {
  if (selinuxConfigured.state !== 'seen') return undefined;
  return {
    source: selinuxConfigured.source,
    seen: `SELINUX=${selinuxConfigured.value.trim().toLowerCase()}`,
    expected: 'SELINUX=enforcing',
  };
}

function weakParameter({ commandLine }: KernelFact): Evidence | undefined {
  if (commandLine.state !== 'seen') return undefined;
  for (const name of ['selinux', 'enforcing'])
    if (commandLine.value[name] === '0')
      return { source: commandLine.source, seen: `${name}=0`, expected: `no ${name}=0` };
  return undefined;
}
