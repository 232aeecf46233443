import { fail, notApplicable } from '../../verdict.ts';
import { containerCheck } from '../check.ts';
import { notSeen, passOnEveryThread } from '../container-reading.ts';
import { sessionsEvidence, unreadSessions } from '../exec-sessions.ts';
import { isRootUser } from '../user.ts';

export const execRoot = containerCheck({
  id: 'container.exec-root',
  title: 'Sessions in the container do not run as root',
  failTitle: 'A session runs as root in the container',
  judgedBy: 'effect',
  severity: 'medium',
  rationale:
    'A container whose program is not root is confined by that. docker exec --user root puts a root process beside it, which can change its files and use every capability of the container. A session that ends before the agent looks is not seen.',
  remediation:
    'End the session and find out who started it (the log of the engine, the audit log, docker events). Start sessions without --user; forbid others with an authorization plugin.',
  references: ['https://docs.docker.com/reference/cli/docker/container/exec/'],
  judges: 'container',
  ownKernel: 'notApplicable',
  needs: [],
  judge: (container) => {
    const { declared, execs, uidMap, uids } = container;
    if (isRootUser(declared.user))
      return notApplicable('the program of the container is root itself: container.root-user judges it');
    if (uidMap.state !== 'seen') return notSeen(uidMap);
    const root = uidMap.value.find(({ inside, count }) => inside === 0 && count > 0)?.outside;
    const evidence = sessionsEvidence(container, 'no session with the user id of root');
    // Without root in its user namespace nothing in it can be root.
    if (root === undefined) return passOnEveryThread(container, evidence);
    const isRoot = uids.state !== 'seen' || uids.value.includes(root);
    // Nothing in it is root, whatever started it.
    if (!isRoot && !container.otherContexts.some((context) => context.uids.includes(root)))
      return passOnEveryThread(container, evidence);
    const unread = unreadSessions(container);
    if (unread !== undefined || execs.state !== 'seen') return unread ?? notApplicable('no session');
    if (uids.state === 'seen' && uids.value.includes(root))
      return notApplicable('the program of the container is root itself: container.root-user judges it');
    const session = execs.value.sessions.find((one) => one.uids.includes(root));
    if (session === undefined) return passOnEveryThread(container, evidence);
    return fail('a session runs as root in a container whose program does not', {
      source: `${session.source}/status`,
      seen: `Uid: ${session.uids.join(' ')}`,
      expected: `not ${String(root)}, which is root in the container; its user is ${declared.user}`,
    });
  },
});
