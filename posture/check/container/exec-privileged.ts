import type { ContainerFact } from '../../fact/container.ts';
import { fail, notApplicable } from '../../verdict.ts';
import { beyondDefault, capabilityNames, plainName } from '../capability.ts';
import { containerCheck } from '../check.ts';
import { notSeen, passOnEveryThread } from '../container-reading.ts';
import { quoteList } from '../evidence-text.ts';
import { sessionsEvidence } from '../exec-sessions.ts';

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
    const { capabilities, declared, execs } = container;
    if (declared.privileged) return notApplicable('the container itself is privileged: container.privileged judges it');
    if (execs.state !== 'seen')
      return execs.state === 'absent' ? notApplicable(`no session: ${execs.source} is absent`) : notSeen(execs);
    if (capabilities.state !== 'seen') return notSeen(capabilities);
    const { firstBounding } = execs.value;
    const own = isInOwnUserNamespace(container) ? [] : (capabilityNames(firstBounding) ?? []);
    const given = new Set([...own, ...declared.capAdd.map(plainName)]);
    if (given.has('ALL')) return passOnEveryThread(container, sessionsEvidence(container, 'any capability'));
    // A bounding set never grows but in a user namespace of its own (capabilities(7)), which is left out there: what is
    // beyond that of the container came with a session, whoever its parent is and also where its process has ended and
    // left others behind. A first process may have given up what the engine gives each new one.
    const { bounding } = capabilities.value;
    const extra = beyondDefault(capabilityNames(bounding) ?? []).filter((name) => !given.has(name));
    if (extra.length > 0)
      return fail(`a session has capabilities that the container was not given: ${quoteList(extra.slice(0, 8))}`, {
        source: capabilities.source,
        seen: `CapBnd: ${bounding}`,
        expected: `nothing beyond CapBnd of the first process, ${firstBounding}`,
      });
    return passOnEveryThread(container, sessionsEvidence(container, 'no session with other capabilities'));
  },
});

/** Has the first process moved to a user namespace of its own, where it has every capability over that? */
function isInOwnUserNamespace({ namespaces: { user }, otherContexts }: ContainerFact): boolean {
  if (user.state !== 'seen' || user.value.host) return false;
  return otherContexts.some(({ namespaces }) => namespaces.user.state === 'seen' && namespaces.user.value.host);
}
