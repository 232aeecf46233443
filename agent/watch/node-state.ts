import type { Check } from '../../posture/check/check.ts';
import { diff } from '../../posture/delta.ts';
import type { Delta, FindingSet } from '../../posture/delta.ts';
import type { ContainerFact } from '../../posture/fact/container.ts';
import type { FactName, Facts } from '../../posture/fact/facts.ts';
import type { Unobserved, UnobservedFact } from '../../posture/fact/unobserved.ts';
import type { Finding } from '../../posture/finding.ts';
import { judgeAll, judgeChange } from '../../posture/judge.ts';
import type { Change } from '../../posture/judge.ts';
import { changeBetween, shareUnchanged } from './structural-sharing.ts';

/** What a node is known to be, and what that is judged to mean. */
export interface NodeSnapshot {
  readonly facts: Facts;
  /** As they are now: the set goes on to change with every update. A copy for each would be larger than all else. */
  readonly findings: FindingSet;
}

/** A snapshot, and what is new in its findings. The first one is new as a whole. */
export interface NodeUpdate extends NodeSnapshot {
  readonly delta: Delta;
  readonly observedAtMs: number;
}

/** Holds the snapshot. What changes is judged at once, and only what is touched by it; then `onChange` is told. */
export interface NodeModel {
  /** Undefined before the first round. */
  readonly snapshot: () => NodeSnapshot | undefined;
  /** A whole round. Containers named in `fresher` were looked at after it began: they stay as they are. */
  readonly putRound: (facts: Facts, fresher: ReadonlySet<string>) => void;
  /** Some facts, each as a whole, judged together. Answers the names of those that are others than before. */
  readonly putFacts: (facts: Partial<Facts>) => readonly FactName[];
  /** One container. Nothing happens while the containers are not known. */
  readonly putContainer: (id: string, look: ContainerLook) => void;
}

/** What a look at one container gave. Neither of them: it does not run any more. */
export interface ContainerLook {
  readonly container?: ContainerFact;
  /** It may run, but could not be inspected. */
  readonly unobserved?: Unobserved;
}

/** What a state works with. */
export interface NodeModelOptions {
  readonly checks: readonly Check[];
  readonly now: () => number;
  readonly onChange: (update: NodeUpdate) => void;
  /** What had findings before this process: what the first round cannot see of it is judged `unknown`. */
  readonly earlier?: FindingSet | undefined;
}

/** A state that knows nothing yet. */
export function createNodeModel({ checks, now, onChange, earlier }: NodeModelOptions): NodeModel {
  const findings = new Map<string, Finding>();
  let known: NodeSnapshot | undefined;

  const update = (facts: Facts, delta: Delta): void => {
    for (const id of delta.gone) findings.delete(id);
    for (const finding of [...delta.added, ...delta.changed]) findings.set(finding.id, finding);
    known = { facts, findings };
    onChange({ ...known, delta, observedAtMs: now() });
  };
  const judge = (facts: Facts, change: Change): void => update(facts, judgeChange(checks, facts, findings, change));

  return {
    snapshot: () => known,
    putRound: (facts, fresher) => {
      if (known === undefined) return update(facts, diff(findings, judgeAll(checks, facts, earlier)));
      // Read it is, all of it; judged again is only what reads differently.
      const whole = shareUnchanged(known.facts, keepFresher(facts, known.facts, fresher));
      judge(whole, changeBetween(known.facts, whole));
    },
    putFacts: (some) => {
      if (known === undefined) return [];
      const { facts } = known;
      const after = shareUnchanged(facts, { ...facts, ...some });
      const changed = (Object.keys(some) as FactName[]).filter((name) => after[name] !== facts[name]);
      if (changed.length > 0) judge(after, changeBetween(facts, after));
      return changed;
    },
    putContainer: (id, { container, unobserved: entry }) => {
      if (known?.facts.containers.state !== 'seen') return;
      const { containers, unobserved } = known.facts;
      const facts = {
        ...known.facts,
        containers: { ...containers, value: replaced(containers.value, id, container) },
        unobserved: withContainers(unobserved, new Set([id]), entry === undefined ? [] : [entry]),
      };
      const after = shareUnchanged(known.facts, facts);
      const change = changeBetween(known.facts, after);
      if (change.facts.size + change.containers.size > 0) judge(after, change);
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
  const others = fact.value.filter(({ kind, id }) => kind !== 'container' || !ids.has(id));
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
      ? current.unobserved.value.filter(({ kind, id }) => kind === 'container' && fresher.has(id))
      : [];
  return {
    ...round,
    containers: { ...round.containers, value: [...others, ...kept] },
    unobserved: withContainers(round.unobserved, fresher, unobserved),
  };
}
