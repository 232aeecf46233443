import { QueryError } from './query-error.ts';

/** Work that one evaluation may do: steps, list items and parts of strings, each about as dear as another. */
const MAX_UNITS = 4_000_000;
/** Characters of a string that come for one unit. */
const CHARACTERS_PER_UNIT = 8;
/** What a list costs beside its items. */
const UNITS_PER_LIST = 2;
/** What a map costs beside its entries, and one entry: they take far more memory than an item of a list. */
const UNITS_PER_MAP = 8;
const UNITS_PER_ENTRY = 4;
/**
 * Characters of one string, and items of one list: 4 MiB each at most. When the heap of a worker thread is full, Node.js
 * grants it 16 MiB more to end in; a single allocation beyond that ends the whole process, so no value may be as large.
 */
export const MAX_LENGTH = 512 * 1024;

/** What is left of the work that one evaluation may do. */
export interface Budget {
  /** Throws a final QueryError when nothing is left. */
  readonly spend: (units: number) => void;
  /** Spends what a string of this length costs; throws a final QueryError if it is too long. */
  readonly spendString: (characters: number) => void;
  /** Spends what a list of this length costs; throws a final QueryError if it is too long. */
  readonly spendItems: (items: number) => void;
  /** Spends what a map with this number of entries costs. */
  readonly spendMap: (entries: number) => void;
}

/** A full budget; `maxUnits`: one step of the evaluation is about one unit. */
export function createBudget(maxUnits = MAX_UNITS): Budget {
  let left = maxUnits;
  const spend = (units: number): void => {
    left -= units;
    if (left < 0) throw new QueryError('the expression is too expensive: ask for less', undefined, true);
  };
  return {
    spend,
    spendString: (characters) => {
      if (characters > MAX_LENGTH) throw new QueryError('a string grows too long', undefined, true);
      spend(Math.ceil(characters / CHARACTERS_PER_UNIT));
    },
    spendItems: (items) => {
      if (items > MAX_LENGTH) throw new QueryError('a list grows too long', undefined, true);
      spend(UNITS_PER_LIST + items);
    },
    spendMap: (entries) => spend(UNITS_PER_MAP + entries * UNITS_PER_ENTRY),
  };
}
