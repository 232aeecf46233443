import type { Check } from '../../posture/check/check.ts';
import { diff } from '../../posture/delta.ts';
import type { Delta, FindingSet } from '../../posture/delta.ts';
import type { ContainerFact } from '../../posture/fact/container.ts';
import type { FactName, Facts } from '../../posture/fact/facts.ts';
import type { Finding } from '../../posture/finding.ts';
import { judgeAll, judgeChange } from '../../posture/judge.ts';
import type { Change } from '../../posture/judge.ts';
import { sameValue } from '../same-value.ts';
import { changeBetween, shareFacts } from './share.ts';

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
export interface NodeState {
  /** Undefined before the first round. */
  readonly snapshot: () => NodeSnapshot | undefined;
  /** A whole round. Containers named in `fresher` were looked at after it began: they stay as they are. */
  readonly putRound: (facts: Facts, fresher: ReadonlySet<string>) => void;
  /** One fact, as a whole. Answers whether it is another than before. */
  readonly putFact: <N extends FactName>(name: N, fact: Facts[N]) => boolean;
  /** One container; undefined: it does not run any more. Nothing happens while the containers are not known. */
  readonly putContainer: (id: string, container: ContainerFact | undefined) => void;
}

/** What a state works with. */
export interface NodeStateOptions {
  readonly checks: readonly Check[];
  readonly now: () => number;
  readonly onChange: (update: NodeUpdate) => void;
}

const NO_FACTS: ReadonlySet<FactName> = new Set();
const NO_CONTAINERS: ReadonlySet<string> = new Set();

/** A state that knows nothing yet. */
export function createNodeState({ checks, now, onChange }: NodeStateOptions): NodeState {
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
      if (known === undefined) return update(facts, diff(findings, judgeAll(checks, facts)));
      // Read it is, all of it; judged again is only what reads differently.
      const whole = shareFacts(known.facts, keepFresher(facts, known.facts, fresher));
      judge(whole, changeBetween(known.facts, whole));
    },
    putFact: (name, fact) => {
      if (known === undefined || sameValue(known.facts[name], fact)) return false;
      judge({ ...known.facts, [name]: fact }, { facts: new Set([name]), containers: NO_CONTAINERS });
      return true;
    },
    putContainer: (id, container) => {
      if (known?.facts.containers.state !== 'seen') return;
      const { containers } = known.facts;
      const before = containers.value.find((candidate) => candidate.id === id);
      if (sameValue(before, container)) return;
      const value = replaced(containers.value, id, container);
      const facts = { ...known.facts, containers: { ...containers, value } };
      judge(facts, { facts: NO_FACTS, containers: new Set([id]) });
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

/** The round read its list of containers some time ago; about those that sent events since, more is known already. */
function keepFresher(round: Facts, current: Facts, fresher: ReadonlySet<string>): Facts {
  if (round.containers.state !== 'seen' || current.containers.state !== 'seen' || fresher.size === 0) return round;
  const kept = current.containers.value.filter(({ id }) => fresher.has(id));
  const others = round.containers.value.filter(({ id }) => !fresher.has(id));
  return { ...round, containers: { ...round.containers, value: [...others, ...kept] } };
}
