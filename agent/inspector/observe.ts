import { absent, seen, unreadable } from '../../posture/observed.ts';
import type { Observed } from '../../posture/observed.ts';
import type { ContainerFact } from '../../posture/fact/container.ts';
import type { FactName, Facts } from '../../posture/fact/facts.ts';
import type { NodeAccess } from '../node-access.ts';
import { inspectOneContainer } from './container/inspect.ts';
import { inspectorOf, INSPECTORS } from './registry.ts';

/** What is looked at twice must not be answered from memory the second time. */
const LOOKS_TWICE: ReadonlySet<FactName> = new Set(['containers', 'unobserved']);

/**
 * Reads all facts. Each starts as soon as those that it needs are there. `before`: the facts of the last round; which
 * containers run where the runtime does not list them is taken from there.
 */
export async function observeAll(access: NodeAccess, before?: Facts): Promise<Facts> {
  const round = openRound(access);
  const running = new Map<FactName, Promise<Partial<Facts>>>();
  for (const { fact, needs } of INSPECTORS) {
    const needed = needs.map((name) => running.get(name) ?? Promise.resolve({}));
    const work = Promise.all(needed).then(async (parts) => {
      const known = Object.assign(remembered(before, fact), ...parts) as Partial<Facts>;
      const from = LOOKS_TWICE.has(fact) ? access : round;
      return { [fact]: await inspectorOf(fact).inspect(from, known, round) };
    });
    running.set(fact, work);
  }
  return Object.assign({}, ...(await Promise.all(running.values()))) as Facts;
}

/** Reads one fact again; the others are taken as `known` has them. */
export async function observe<N extends FactName>(access: NodeAccess, known: Facts, fact: N): Promise<Facts[N]> {
  const round = openRound(access);
  return inspectorOf(fact).inspect(LOOKS_TWICE.has(fact) ? access : round, known, round);
}

/**
 * Reads one container again. absent: it is gone. unreadable: it may run, but the runtime does not answer
 * about it; then it is among the failed looks.
 */
export async function observeContainer(
  access: NodeAccess,
  known: Partial<Facts>,
  id: string,
): Promise<Observed<ContainerFact>> {
  const source = `container ${id}`;
  const inspection = await inspectOneContainer(access, known, id);
  switch (inspection.outcome) {
    case 'found':
      return seen(inspection.container, source);
    case 'gone':
      return absent(source);
    case 'failed':
      return unreadable(source, inspection.reason);
  }
}

/** The node as one round sees it: what inspectors share is read once. */
function openRound(access: NodeAccess): NodeAccess {
  return { ...access, host: access.cache.openRound(access.host) };
}

/** Facts that an inspector may reuse from the previous round. Images are always listed again, since tags move. */
const REMEMBERED: ReadonlySet<FactName> = new Set(['containers', 'docker', 'engines']);

function remembered(before: Facts | undefined, fact: FactName): Partial<Facts> {
  return before !== undefined && REMEMBERED.has(fact) ? { [fact]: before[fact] } : {};
}
