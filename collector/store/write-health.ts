import type { StoreErrorCode } from './error.ts';
import { toStoreError } from './error.ts';
import type { Store } from './store.ts';

/** Why the store could not be written the last time that something was to be written. */
export interface WriteProblem {
  readonly code: StoreErrorCode;
  readonly message: string;
}

/** A store, and how writing to it goes. */
export interface ObservedStore {
  readonly store: Store;
  /** Undefined: the last write worked. */
  readonly writeProblem: () => WriteProblem | undefined;
}

/** Observes the writes to `store`; callers who retry on their own are otherwise the only ones who know. */
export function observeWrites(store: Store): ObservedStore {
  let problem: WriteProblem | undefined;
  const observed =
    <A extends readonly unknown[], R>(write: (...args: A) => Promise<R>) =>
    async (...args: A): Promise<R> => {
      try {
        const result = await write(...args);
        problem = undefined;
        return result;
      } catch (error) {
        const { code, message } = toStoreError(error, 'write to the store');
        problem = { code, message };
        throw error;
      }
    };
  return {
    store: {
      ...store,
      commit: observed(store.commit),
      putNode: observed(store.putNode),
      advance: observed(store.advance),
    },
    writeProblem: () => problem,
  };
}
