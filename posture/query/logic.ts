import type { Span } from './query-error.ts';
import { Failure, isMissing, Unread } from './unread.ts';

/** The values of logic here: true, false, and not known. */
export type Truth = boolean | null | Unread;

/** `value` as one of the values of logic; anything else is a failure. */
export function truth(value: unknown, at: Span): Truth {
  return typeof value === 'boolean' || isMissing(value) ? value : new Failure('a condition must be true or false', at);
}

/**
 * `||` and `exists` (decisive true), `&&` and `all` (decisive false): one item decides, whatever the others are, even
 * where they fail. Where none decides, the first failure is the answer, then what could not be read, then null: CEL,
 * "Logical Operators" and "Macros".
 */
export function decide<T>(decisive: boolean, items: Iterable<T>, judge: (item: T) => Truth): Truth {
  let open: Truth = !decisive;
  for (const item of items) {
    const judged = judge(item);
    if (judged === decisive) return decisive;
    if (isMissing(judged)) open = lessKnown(open, judged);
  }
  return open;
}

/** Of two answers that leave it open, the one that says most about why. */
export function lessKnown(open: Truth, judged: null | Unread): Truth {
  if (open instanceof Failure || judged instanceof Failure) return open instanceof Failure ? open : judged;
  return open instanceof Unread ? open : judged;
}
