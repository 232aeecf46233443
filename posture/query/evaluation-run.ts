import type { Budget } from './budget.ts';
import type { Unread } from './unread.ts';

/** One evaluation: what it may see and spend, and what could not be read but would have mattered. */
export interface Run {
  readonly variables: ReadonlyMap<string, unknown>;
  readonly budget: Budget;
  readonly note: (unread: Unread) => void;
  /**
   * For the condition of a check: nothing that could not be read is left out or counts as absent, so the answer is known
   * only if it would be the same whatever had been read.
   */
  readonly isStrict: boolean;
}

/** Values that macros bound, innermost first. */
export interface Scope {
  readonly name: string;
  readonly value: unknown;
  readonly outer: Scope | undefined;
}
