import { userOfEngine } from '../../fact/docker.ts';
import { fail, manual, notApplicable, pass, unknownBecause } from '../../verdict.ts';
import { quoteList } from '../evidence-text.ts';
import { daemonCheck, unseenReason } from './setting.ts';
import { parameterized } from '../parameter.ts';

export const socketMembers = parameterized(
  { approved: { doc: 'accounts that may use the socket; any other one then fails', default: [] as readonly string[] } },
  ({ approved }) =>
    daemonCheck({
      id: 'daemon.socket-members',
      title: 'No account may use the Docker socket by its group',
      failTitle: 'Group of the Docker socket has accounts',
      judgedBy: 'configuration',
      severity: 'high',
      rationale:
        'Whoever may use the socket can start a privileged container with the root directory of the host, and so is root without a password and without a trace in the log of sudo.',
      remediation:
        'Remove accounts that do not need it: gpasswd -d ACCOUNT GROUP, and change the primary group of others with usermod -g. Give people sudo rights for single commands, or a rootless engine. Name approved accounts in the parameter approved of a profile.',
      reference: 'https://docs.docker.com/engine/security/#docker-daemon-attack-surface',
      judge: ({ socketAccess, endpoint }) => {
        if (socketAccess.state === 'absent') return notApplicable(`${socketAccess.source} is not a unix socket here`);
        if (socketAccess.state === 'unreadable') return unknownBecause(unseenReason(socketAccess));
        const { uid, group, gid, members, everybody, otherServices } = socketAccess.value;
        const evidence = {
          source: `${socketAccess.source}, /etc/group, /etc/passwd`,
          seen: `group ${group} (${String(gid)}): ${quoteList(members)}; access control list not read`,
          expected:
            approved.length === 0 ? 'no account, or approved ones only' : `no account but ${quoteList(approved)}`,
        };
        if (everybody)
          return fail('every account of the host may use the socket', {
            source: socketAccess.source,
            seen: 'writable by everybody',
            expected: 'mode 0660 or stricter',
          });
        // Whoever owns a file can give themselves the right to write to it. A rootless engine belongs to its user.
        if (uid !== 0 && uid !== userOfEngine(endpoint))
          return fail('an account that is not root owns the socket', {
            source: socketAccess.source,
            seen: `owner uid ${String(uid)}`,
            expected: 'owner root',
          });
        const others = members.filter((member) => !approved.includes(member));
        if (others.length > 0 && approved.length > 0)
          return fail(`accounts that are not approved are root by the group ${group}: ${quoteList(others)}`, evidence);
        if (others.length > 0)
          return manual(
            `${String(others.length)} accounts are root by the group ${group}: are they approved?`,
            evidence,
          );
        return otherServices.length === 0
          ? pass(evidence)
          : unknownBecause(`further members may come from ${quoteList(otherServices)}, which is not asked`, evidence);
      },
    }),
);
