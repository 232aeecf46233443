import type { FactName, Facts } from '../../posture/fact/facts.ts';
import type { NodeAccess } from '../node-access.ts';

/** Reads one fact of a node. `inspect` does the I/O, everything that interprets bytes is a pure `parse` beside it. */
export interface Inspector<N extends FactName> {
  readonly fact: N;
  /** Facts that this one is built on; they are read first and handed in. */
  readonly needs: readonly FactName[];
  readonly inspect: (access: NodeAccess, known: Partial<Facts>) => Promise<Facts[N]>;
  /** Paths on the host whose change makes this fact stale, given the facts as they are. */
  readonly watches: (facts: Facts) => readonly string[];
}
