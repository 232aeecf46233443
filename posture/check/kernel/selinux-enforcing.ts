import type { KernelFact } from '../../fact/kernel.ts';
import { fail, failAs, notApplicable, pass, unknownBecause } from '../../verdict.ts';
import type { Evidence, Judgement } from '../../verdict.ts';
import { nodeCheck } from '../check.ts';

export const selinuxEnforcing = nodeCheck({
  id: 'kernel.selinux-enforcing',
  title: 'SELinux enforces its policy, now and after the next boot',
  severity: 'high',
  rationale:
    'A permissive SELinux only writes down what a container should not have been able to do; a mode that was changed by hand is gone, or back, after a restart.',
  remediation:
    'Set SELINUX=enforcing in /etc/selinux/config, take enforcing=0 and selinux=0 off the kernel command line, relabel and restart; setenforce 1 for now.',
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
  if (mode === 'permissive') return configured === undefined ? fail(live) : fail(live, configured);
  const parameter = weakParameter(kernel);
  if (parameter !== undefined) return failAs('medium', live, parameter);
  if (configured === undefined) return pass(live);
  return configured.seen === 'SELINUX=enforcing' ? pass(live, configured) : failAs('medium', live, configured);
}

/** SELinux is not in force: wrong only where this node is meant to have it. */
function judgeInactive(kernel: KernelFact, source: string, seen: string): Judgement {
  const configured = configuredMode(kernel);
  if (configured?.seen === 'SELINUX=enforcing') return fail({ source, seen, expected: 'enforcing' }, configured);
  if (kernel.lsm.state === 'seen' && kernel.lsm.value.includes('selinux'))
    return unknownBecause(`${source}: SELinux is active, but its mode is not visible (selinuxfs is not mounted)`);
  // Without the list of modules, an SELinux whose file system is not mounted would look the same.
  if (kernel.lsm.state !== 'seen' && kernel.selinux.state === 'absent' && configured !== undefined)
    return unknownBecause(`${kernel.lsm.source} cannot tell whether SELinux is active`);
  return notApplicable('SELinux is not used on this node; see kernel.mandatory-access-control');
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
