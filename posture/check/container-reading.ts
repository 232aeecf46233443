import type { ContainerFact } from '../fact/container.ts';
import type { Observed } from '../observed.ts';
import { pass, unknownBecause } from '../verdict.ts';
import type { Evidence, Judgement } from '../verdict.ts';

/** Something of a container that was not seen. */
export type Unseen = Exclude<Observed<unknown>, { readonly state: 'seen' }>;

/**
 * `unknown`, with what could not be read and why. For files that every live process has: where such a file is absent,
 * the process is gone.
 */
export function notSeen(unseen: Unseen, ...evidence: readonly Evidence[]): Judgement {
  return unseen.state === 'unreadable'
    ? unknownBecause(`${unseen.source}: ${unseen.reason}`, ...evidence)
    : unknownBecause(`${unseen.source} is absent: the container ended while it was inspected`, ...evidence);
}

/** `pass` where every thread was read, otherwise `unknown`: one of the others may be weaker. */
export function passOnEveryThread(container: ContainerFact, ...evidence: readonly Evidence[]): Judgement {
  if (container.complete) return pass(...evidence);
  return unknownBecause(`not every thread was seen: ${container.incompleteReason}`, ...evidence);
}

/** Had the container ended before its first process could be read? */
export function hasEnded(container: ContainerFact): boolean {
  const { capabilities, mounts, seccomp } = container;
  return [capabilities, mounts, seccomp].every((observed) => observed.state === 'absent');
}

/** The security label of the first process, and those of other threads that differ from it. */
export function labelsOf({ lsmLabel, otherContexts }: ContainerFact): readonly Observed<string>[] {
  const distinct = new Map<string, Observed<string>>();
  for (const label of [lsmLabel, ...otherContexts.map((context) => context.lsmLabel)])
    if (!distinct.has(textOf(label))) distinct.set(textOf(label), label);
  return [...distinct.values()];
}

function textOf(label: Observed<string>): string {
  return label.state === 'seen' ? `seen ${label.value}` : label.state;
}

/** The command that starts a further process in a container, for texts. */
export function execCommand({ pod }: ContainerFact): string {
  return pod === '' ? 'docker exec' : 'kubectl exec';
}
