import type { AccountsFact } from '../../fact/accounts.ts';
import { notApplicable, unknownBecause } from '../../verdict.ts';
import type { Evidence, Judgement } from '../../verdict.ts';
import { nodeCheck } from '../check.ts';
import { quoteList } from '../evidence-text.ts';
import { judgeList } from '../judge-list.ts';
import { ofUsers } from '../ssh/key-checks.ts';

/** Groups whose members become root without a password: raw disks, password hashes, containers and machines of root. */
const ROOT_GROUPS: ReadonlySet<string> = new Set(['disk', 'incus-admin', 'kmem', 'libvirt', 'lxd', 'root', 'shadow']);

function judgeRootGroups(accounts: AccountsFact): Judgement {
  const { groups } = accounts;
  if (groups.state === 'unreadable') return unknownBecause(`${groups.source}: ${groups.reason}`);
  if (groups.state === 'absent') return notApplicable(`${groups.source} does not exist`);
  return ofUsers(accounts, (users) => {
    const expected = 'no member who can log in';
    const failed = groups.value
      .filter(({ name }) => ROOT_GROUPS.has(name))
      .flatMap(({ name, gid, members }): readonly Evidence[] => {
        const names = users
          .filter((user) => user.uid !== 0 && user.canLogin && (members.includes(user.name) || user.gid === gid))
          .map((user) => user.name);
        return names.length === 0 ? [] : [{ source: groups.source, seen: `${name}: ${quoteList(names)}`, expected }];
      });
    return judgeList({
      failed,
      unread: [],
      passed: { source: groups.source, seen: `no such member of ${[...ROOT_GROUPS].join(', ')}`, expected },
      reason: 'members of a group can become root without a password',
    });
  });
}

export const rootEquivalentGroups = nodeCheck({
  id: 'host.root-equivalent-groups',
  title: 'Groups that amount to root have no members',
  failTitle: 'Members of a group amount to root',
  judgedBy: 'configuration',
  severity: 'high',
  rationale:
    'Members of disk read and write every file system, those of shadow read password hashes, those of lxd, incus-admin and libvirt start a machine that mounts the disk of the host.',
  remediation: 'Remove the members (gpasswd -d NAME GROUP). Administrators use sudo, which asks and records.',
  references: ['https://wiki.debian.org/SystemGroups'],
  judges: 'node',
  needs: ['accounts'],
  judge: ({ accounts }) => judgeRootGroups(accounts),
});
