import type { ContainerFact } from '../fact/container.ts';
import { notApplicable, unknownBecause } from '../verdict.ts';
import type { Evidence, Judgement } from '../verdict.ts';
import { notSeen } from './container-reading.ts';

/** Why the sessions of a container are not known; undefined: they are. */
export function unreadSessions({ declared, execs, namespaces }: ContainerFact): Judgement | undefined {
  // Processes of such a namespace can become children of any supervisor in it.
  const isShared = declared.pidMode !== '' || (namespaces.pid.state === 'seen' && namespaces.pid.value.host);
  if (isShared)
    return unknownBecause(
      'the container shares its pid namespace, where sessions cannot be told from orphaned processes',
    );
  if (execs.state === 'seen') return undefined;
  return execs.state === 'absent' ? notApplicable(`no session: ${execs.source} is absent`) : notSeen(execs);
}

/** How many sessions there are, and where they run. */
export function sessionsEvidence({ execs }: ContainerFact, expected: string): Evidence {
  const sessions = execs.state === 'seen' ? execs.value.sessions : [];
  const places = sessions.slice(0, 8).map(({ source }) => source);
  return {
    source: execs.source,
    seen: sessions.length === 0 ? 'no session' : `${String(sessions.length)} sessions: ${places.join(', ')}`,
    expected,
  };
}
