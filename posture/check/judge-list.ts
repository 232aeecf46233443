import { fail, pass, unknownBecause } from '../verdict.ts';
import type { Evidence, Judgement } from '../verdict.ts';

/** Pieces of evidence in one finding. */
const MAX_EVIDENCE = 8;

/** What was found about the items of a list. */
export interface ListOutcome {
  /** What is wrong, an item each. */
  readonly failed: readonly Evidence[];
  /** Items that could not be read, with the reason. */
  readonly unread: readonly string[];
  /** Of a list in which nothing is wrong. */
  readonly passed: Evidence;
  /** Message of a failure: `a swap area is not encrypted`. */
  readonly reason: string;
}

/**
 * One answer about a list: it fails where an item does, is unknown where one could not be read, and passes otherwise. An
 * item that cannot be read hides no other that is wrong.
 */
export function judgeList({ failed, unread, passed, reason }: ListOutcome): Judgement {
  const [first] = failed;
  if (first !== undefined)
    return fail(
      failed.length === 1 ? reason : `${reason} (${String(failed.length)})`,
      ...failed.slice(0, MAX_EVIDENCE),
    );
  const [unknown] = unread;
  if (unknown === undefined) return pass(passed);
  return unknownBecause(unread.length === 1 ? unknown : `${unknown}, and ${String(unread.length - 1)} more`);
}
