import { Problem } from './problem.ts';

/** Work that one evaluation may do: steps, list items and parts of strings, each about as dear as another. */
const MAX_UNITS = 4_000_000;
/** Characters of a string that come for one unit. */
const CHARACTERS_PER_UNIT = 8;
/**
 * Characters of one string, and items of one list. A single allocation beyond the heap of a worker thread does not end
 * the thread but the whole process, so no value may come near it: evaluation has to stop before.
 */
export const MAX_STRING = 1024 * 1024;
/** See {@link MAX_STRING}. */
export const MAX_ITEMS = 1024 * 1024;

/** What is left of the work that one evaluation may do. */
export interface Budget {
  /** Throws a final Problem when nothing is left. */
  readonly spend: (units: number) => void;
  /** Spends what a string of this length costs; throws a final Problem if it is too long. */
  readonly spendString: (characters: number) => void;
  /** Spends what a list of this length costs; throws a final Problem if it is too long. */
  readonly spendItems: (items: number) => void;
}

/** A full budget. */
export function createBudget(): Budget {
  let left = MAX_UNITS;
  const spend = (units: number): void => {
    left -= units;
    if (left < 0) throw new Problem('the expression is too expensive: ask for less', undefined, true);
  };
  return {
    spend,
    spendString: (characters) => {
      if (characters > MAX_STRING) throw new Problem('a string grows too long', undefined, true);
      spend(Math.ceil(characters / CHARACTERS_PER_UNIT));
    },
    spendItems: (items) => {
      if (items > MAX_ITEMS) throw new Problem('a list grows too long', undefined, true);
      spend(items);
    },
  };
}
