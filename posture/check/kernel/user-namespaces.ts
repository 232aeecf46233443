import type { SysctlName } from '../../fact/kernel.ts';
import { fail, notApplicable, pass, unknownBecause } from '../../verdict.ts';
import { nodeCheck } from '../check.ts';
import { quote } from '../evidence-text.ts';
import { sysctlOf } from './sysctl.ts';

/** Each of these alone denies user namespaces to unprivileged processes; Debian and Ubuntu have one each. */
const SWITCHES: readonly (readonly [name: SysctlName, blocking: string])[] = [
  ['user.max_user_namespaces', '0'],
  ['kernel.unprivileged_userns_clone', '0'],
  ['kernel.apparmor_restrict_unprivileged_userns', '1'],
];
/** Without it, every process may change to a profile that allows user namespaces (aa-exec), and so has them. */
const UNCONFINED = 'kernel.apparmor_restrict_unprivileged_unconfined';
const EXPECTED = SWITCHES.map(([name, blocking]) => `${name} = ${blocking}`)
  .join(', or ')
  .concat(` with ${UNCONFINED} = 1`);

export const userNamespaces = nodeCheck({
  id: 'kernel.user-namespaces',
  title: 'User namespaces are restricted',
  failTitle: 'User namespaces are open to all users',
  judgedBy: 'effect',
  severity: 'medium',
  rationale:
    'In a new user namespace an unprivileged process holds all capabilities, and reaches parts of the kernel (netfilter, file systems) in which most recent privilege escalations were found.',
  remediation:
    'Ubuntu: kernel.apparmor_restrict_unprivileged_userns=1 and kernel.apparmor_restrict_unprivileged_unconfined=1. Debian: kernel.unprivileged_userns_clone=0. Elsewhere: user.max_user_namespaces=0, but not with rootless runtimes, pods with hostUsers: false, bubblewrap, or browsers and builds that use them as a sandbox.',
  references: ['https://man7.org/linux/man-pages/man7/user_namespaces.7.html'],
  judges: 'node',
  needs: ['kernel', 'docker'],
  judge: ({ kernel, docker }) => {
    if (docker.api.state === 'seen' && docker.api.value.securityOptions.some(({ name }) => name === 'rootless'))
      return notApplicable('a rootless Docker daemon on this host needs them');
    const evidence = [];
    const unread: string[] = [];
    let isBypassed = false;
    for (const [name, blocking] of SWITCHES) {
      const live = sysctlOf(kernel, name);
      if (live.state === 'unreadable') unread.push(`${live.source}: ${live.reason}`);
      if (live.state !== 'seen') continue;
      const seen = `${name} = ${quote(live.value.trim())}`;
      const piece = { source: live.source, seen, expected: EXPECTED };
      if (live.value.trim() !== blocking) {
        evidence.push(piece);
        continue;
      }
      if (name !== 'kernel.apparmor_restrict_unprivileged_userns') return pass(piece);
      const other = sysctlOf(kernel, UNCONFINED);
      if (other.state === 'unreadable') unread.push(`${other.source}: ${other.reason}`);
      const value = other.state === 'seen' ? other.value.trim() : 'not there';
      const pieces = [piece, { source: other.source, seen: `${UNCONFINED} = ${quote(value)}`, expected: EXPECTED }];
      if (value === '1') return pass(...pieces);
      evidence.push(...pieces);
      isBypassed = other.state !== 'unreadable';
    }
    const [reason] = unread;
    if (reason !== undefined) return unknownBecause(reason, ...evidence);
    if (evidence.length === 0) return notApplicable('this kernel has no user namespaces');
    return isBypassed
      ? fail('every process can change to an AppArmor profile that allows user namespaces', ...evidence)
      : fail('every user can create a user namespace and hold all capabilities in it', ...evidence);
  },
});
