import type { FactName, Facts } from '../../posture/fact/facts.ts';
import type { NodeAccess } from '../node-access.ts';

/** Reads one fact of a node. `inspect` does the I/O, everything that interprets bytes is a pure `parse` beside it. */
export interface Inspector<N extends FactName> {
  readonly fact: N;
  /** Facts that this one is built on; they are read first and handed in. */
  readonly needs: readonly FactName[];
  /**
   * `round`: answers each question about the node once for all inspectors of a round; for most of them `access` is that
   * already.
   */
  readonly inspect: (access: NodeAccess, known: Partial<Facts>, round?: NodeAccess) => Promise<Facts[N]>;
  /** Paths on the host whose change makes this fact stale, given the facts as they are. */
  readonly watches: (facts: Facts) => readonly string[];
}
