import type { ContainerFact } from '../../posture/fact/container.ts';
import type { FactName, Facts } from '../../posture/fact/facts.ts';
import { isContainerEntry } from '../../posture/fact/unobserved.ts';
import type { Unobserved, UnobservedFact } from '../../posture/fact/unobserved.ts';
import type { Change } from '../../posture/judge.ts';
import { changeBetween, shareUnchanged } from './structural-sharing.ts';

/** Receives the facts after each change. `change` is undefined the first time: everything is new. Must not throw. */
export type FactListener = (facts: Facts, change: Change | undefined) => void;

/** The facts of a node, updated by rounds and by reads of single facts and containers. */
export interface FactModel {
  /** Undefined before the first round. */
  readonly facts: () => Facts | undefined;
  /** Replaces all facts. Containers named in `fresher` were read after the round began, and keep their facts. */
  readonly putRound: (facts: Facts, fresher: ReadonlySet<string>) => void;
  /** Replaces some facts together. Returns the names of those that differ from before. */
  readonly putFacts: (facts: Partial<Facts>) => readonly FactName[];
  /** Replaces one container. Has no effect while the list of containers is not known. */
  readonly putContainer: (id: string, look: ContainerLook) => void;
}

/** The result of reading one container. Without either field, it does not run any more. */
export interface ContainerLook {
  readonly container?: ContainerFact;
  /** It may run, but could not be inspected. */
  readonly unobserved?: Unobserved;
}

/** Creates an empty model. `onChange` is called only where a fact differs, and at each round. */
export function createFactModel(onChange: FactListener): FactModel {
  let known: Facts | undefined;
  const update = (facts: Facts, change: Change | undefined): void => {
    known = facts;
    onChange(facts, change);
  };
  return {
    facts: () => known,
    putRound: (facts, fresher) => {
      if (known === undefined) return update(facts, undefined);
      const whole = shareUnchanged(known, keepFresher(facts, known, fresher));
      update(whole, changeBetween(known, whole));
    },
    putFacts: (some) => {
      if (known === undefined) return [];
      const before = known;
      const after = shareUnchanged(before, { ...before, ...some });
      const changed = (Object.keys(some) as FactName[]).filter((name) => after[name] !== before[name]);
      if (changed.length > 0) update(after, changeBetween(before, after));
      return changed;
    },
    putContainer: (id, { container, unobserved: entry }) => {
      if (known?.containers.state !== 'seen') return;
      const { containers, unobserved } = known;
      const facts = {
        ...known,
        containers: { ...containers, value: replaced(containers.value, id, container) },
        unobserved: withContainers(unobserved, new Set([id]), entry === undefined ? [] : [entry]),
      };
      const after = shareUnchanged(known, facts);
      const change = changeBetween(known, after);
      if (change.facts.size + change.containers.size > 0) update(after, change);
    },
  };
}

function replaced(
  containers: readonly ContainerFact[],
  id: string,
  container: ContainerFact | undefined,
): readonly ContainerFact[] {
  if (container === undefined) return containers.filter((candidate) => candidate.id !== id);
  if (!containers.some((candidate) => candidate.id === id)) return [...containers, container];
  return containers.map((candidate) => (candidate.id === id ? container : candidate));
}

/** The fact with other entries for the containers with these ids. */
function withContainers(
  fact: UnobservedFact,
  ids: ReadonlySet<string>,
  entries: readonly Unobserved[],
): UnobservedFact {
  if (fact.state !== 'seen') return fact;
  const others = fact.value.filter((entry) => !isContainerEntry(entry) || !ids.has(entry.id));
  return { ...fact, value: [...others, ...entries].sort(byKey) };
}

function byKey(one: Unobserved, other: Unobserved): number {
  return `${one.kind}/${one.id}` < `${other.kind}/${other.id}` ? -1 : 1;
}

/** The round read its list of containers some time ago; about those that sent events since, more is known already. */
function keepFresher(round: Facts, current: Facts, fresher: ReadonlySet<string>): Facts {
  if (round.containers.state !== 'seen' || current.containers.state !== 'seen' || fresher.size === 0) return round;
  const kept = current.containers.value.filter(({ id }) => fresher.has(id));
  const others = round.containers.value.filter(({ id }) => !fresher.has(id));
  const unobserved =
    current.unobserved.state === 'seen'
      ? current.unobserved.value.filter((entry) => isContainerEntry(entry) && fresher.has(entry.id))
      : [];
  return {
    ...round,
    containers: { ...round.containers, value: [...others, ...kept] },
    unobserved: withContainers(round.unobserved, fresher, unobserved),
  };
}
