import { fail, notApplicable } from '../../verdict.ts';
import { beyondDefault, capabilityNames, plainName } from '../capability.ts';
import { containerCheck } from '../check.ts';
import { passOnEveryThread } from '../container-reading.ts';
import { quoteList } from '../evidence-text.ts';
import { sessionsEvidence, unreadSessions } from '../exec-sessions.ts';

export const execPrivileged = containerCheck({
  id: 'container.exec-privileged',
  title: 'Sessions in the container have no extra privileges',
  failTitle: 'A privileged session runs in the container',
  judgedBy: 'effect',
  severity: 'high',
  rationale:
    'docker exec --privileged gives the new process all capabilities, whatever the container was started with. A program in the container that it runs, or that traces it, can leave the container. A session that ends before the agent looks is not seen.',
  remediation:
    'End the session and find out who started it (the log of the engine, the audit log, docker events). Forbid it with an authorization plugin: plimsoll authz refuses privileged exec.',
  references: ['https://docs.docker.com/reference/cli/docker/container/exec/#privileged'],
  judges: 'container',
  ownKernel: 'notApplicable',
  needs: [],
  judge: (container) => {
    const { declared, execs } = container;
    if (declared.privileged) return notApplicable('the container itself is privileged: container.privileged judges it');
    const unread = unreadSessions(container);
    if (unread !== undefined || execs.state !== 'seen') return unread ?? notApplicable('no session');
    const { firstBounding, sessions } = execs.value;
    const given = new Set([...(capabilityNames(firstBounding) ?? []), ...declared.capAdd.map(plainName)]);
    if (given.has('ALL')) return passOnEveryThread(container, sessionsEvidence(container, 'any capability'));
    for (const { source, bounding } of sessions) {
      // A first process may have given capabilities up that the engine gives each new one.
      const extra = beyondDefault(capabilityNames(bounding) ?? []).filter((name) => !given.has(name));
      if (extra.length > 0)
        return fail(`a session has capabilities that the container was not given: ${quoteList(extra.slice(0, 8))}`, {
          source: `${source}/status`,
          seen: `CapBnd: ${bounding}`,
          expected: `nothing beyond CapBnd of the first process, ${firstBounding}`,
        });
    }
    return passOnEveryThread(container, sessionsEvidence(container, 'no session with other capabilities'));
  },
});
