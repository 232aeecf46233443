import { StoreError, toStoreError } from './error.ts';
import type { StoreErrorCode } from './error.ts';
import type { Store } from './store.ts';

/** Why the last write to the store failed. */
export interface WriteProblem {
  readonly code: StoreErrorCode;
  readonly message: string;
}

/** A store whose writes are observed. */
export interface ObservedStore {
  readonly store: Store;
  /** Undefined: the last write succeeded. */
  readonly writeProblem: () => WriteProblem | undefined;
}

/**
 * Remembers why the last write to `store` failed; callers that retry do not report it. While `isDiskHung`, writes reject
 * with StoreError `io` at once: SQLite would block the event loop until the disk answers.
 */
export function observeWrites(store: Store, isDiskHung: () => boolean): ObservedStore {
  let problem: WriteProblem | undefined;
  const gated =
    <A extends readonly unknown[], R>(write: (...args: A) => Promise<R>) =>
    async (...args: A): Promise<R> => {
      if (isDiskHung()) throw new StoreError('io', 'cannot write to the store: the disk does not answer');
      return write(...args);
    };
  // Inside the gate: a write that was not tried says nothing about the store, and the disk has an issue of its own.
  const observed = <A extends readonly unknown[], R>(write: (...args: A) => Promise<R>) =>
    gated(async (...args: A): Promise<R> => {
      try {
        const result = await write(...args);
        problem = undefined;
        return result;
      } catch (error) {
        const { code, message } = toStoreError(error, 'write to the store');
        problem = { code, message };
        throw error;
      }
    });
  return {
    store: {
      ...store,
      commit: observed(store.commit),
      putNodes: observed(store.putNodes),
      advance: observed(store.advance),
      removeNode: gated(store.removeNode),
      prune: gated(store.prune),
      verify: gated(store.verify),
      dropOldest: gated(store.dropOldest),
      deadLetters: {
        ...store.deadLetters,
        add: observed(store.deadLetters.add),
        replay: gated(store.deadLetters.replay),
        purge: gated(store.deadLetters.purge),
      },
      images: {
        ...store.images,
        putClaims: gated(store.images.putClaims),
        putInventory: gated(store.images.putInventory),
        putJudgements: gated(store.images.putJudgements),
        announce: gated(store.images.announce),
        putSuppressions: gated(store.images.putSuppressions),
        confirmJudgements: gated(store.images.confirmJudgements),
        recount: gated(store.images.recount),
        pruneImages: gated(store.images.pruneImages),
      },
    },
    writeProblem: () => problem,
  };
}
