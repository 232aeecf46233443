import type { Check } from '../../posture/check/check.ts';
import { diff } from '../../posture/delta.ts';
import type { Delta, FindingSet } from '../../posture/delta.ts';
import type { Facts } from '../../posture/fact/facts.ts';
import type { Finding } from '../../posture/finding.ts';
import { judgeAll, judgeChange } from '../../posture/judge.ts';
import type { FactListener } from './fact-model.ts';

/** The facts of a node and the findings that follow from them. */
export interface NodeSnapshot {
  readonly facts: Facts;
  /** The live set, changed in place by each update: a copy for each would be larger than everything else. */
  readonly findings: FindingSet;
}

/** A snapshot, and how its findings differ from the one before. */
export interface NodeUpdate extends NodeSnapshot {
  readonly delta: Delta;
  readonly observedAtMs: number;
}

/** The findings of a node, judged again with each change of its facts, and only where the change affects a check. */
export interface NodeFindings {
  /** Undefined before the first facts. */
  readonly snapshot: () => NodeSnapshot | undefined;
  readonly update: FactListener;
}

/** What findings are made with. */
export interface NodeFindingsOptions {
  readonly checks: readonly Check[];
  readonly now: () => number;
  /** Called after each update. Must not throw. */
  readonly onChange: (update: NodeUpdate) => void;
  /** Findings from before this process started: subjects that the first facts cannot show are judged `unknown`. */
  readonly earlier?: FindingSet | undefined;
}

/** Creates an empty set of findings. */
export function createNodeFindings({ checks, now, onChange, earlier }: NodeFindingsOptions): NodeFindings {
  const findings = new Map<string, Finding>();
  let known: NodeSnapshot | undefined;
  return {
    snapshot: () => known,
    update: (facts, change) => {
      const delta =
        change === undefined || known === undefined
          ? diff(findings, judgeAll(checks, facts, known === undefined ? earlier : findings))
          : judgeChange(checks, facts, findings, change);
      for (const id of delta.gone) findings.delete(id);
      for (const finding of [...delta.added, ...delta.changed]) findings.set(finding.id, finding);
      known = { facts, findings };
      onChange({ ...known, delta, observedAtMs: now() });
    },
  };
}
