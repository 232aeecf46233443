import { QueryError } from './problem.ts';
import type { Span } from './tree.ts';
import { isMissing, Unread } from './unread.ts';

/** The values of logic here: true, false, and not to be told. */
export type Truth = boolean | null | Unread;

/** `value` as one of the values of logic; throws a Problem for anything else. */
export function truth(value: unknown, at: Span): Truth {
  if (typeof value === 'boolean' || isMissing(value)) return value;
  throw new QueryError('a condition must be true or false', at);
}

/**
 * `||` and `exists` (decisive true), `&&` and `all` (decisive false): one item decides, whatever the others are, even
 * where they fail. Where none decides, the first failure is thrown, otherwise what cannot be told is the answer: CEL,
 * "Logical Operators" and "Macros".
 */
export function decide<T>(decisive: boolean, items: Iterable<T>, judge: (item: T) => Truth): Truth {
  let open: Truth = !decisive;
  let failure: QueryError | undefined;
  for (const item of items) {
    try {
      const judged = judge(item);
      if (judged === decisive) return decisive;
      if (isMissing(judged)) open = lessKnown(open, judged);
    } catch (error) {
      if (!(error instanceof QueryError) || error.final) throw error;
      failure ??= error;
    }
  }
  if (failure !== undefined) throw failure;
  return open;
}

/** Of two answers that leave it open, the one that says what could not be read. */
export function lessKnown(open: Truth, judged: null | Unread): Truth {
  return open instanceof Unread ? open : judged;
}
