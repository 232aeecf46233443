import { statSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import type { Clock } from '../../service/clock.ts';
import type { Logger } from '../../service/log.ts';
import { StoreError } from './error.ts';
import { listQuarantined, quarantine } from './quarantine.ts';
import type { QuarantinedFile } from './quarantine.ts';
import { openSqliteStore } from './sqlite.ts';
import type { SqliteStoreOptions } from './sqlite.ts';
import type { Store } from './store.ts';

/** What a store that heals itself needs. */
export interface HealingStoreOptions extends SqliteStoreOptions {
  readonly clock: Clock;
  readonly log: Logger;
  /** The store is empty now: whoever has something to say must say it again. Not called for what was found at the start. */
  readonly onReplaced: () => void;
}

/** The store, and what became of damaged files. */
export interface HealingStore {
  readonly store: Store;
  /** The newest damaged file that stands beside the store, also from an earlier run; undefined: there is none. */
  readonly setAside: () => QuarantinedFile | undefined;
  /** Is the file that is open still the one at its path? */
  readonly isInPlace: () => boolean;
}

/** A disk that damages everything must not make us begin anew all the time. */
const MIN_INTERVAL_MS = 60_000;
/** Positions of a new file count from the time in microseconds: no store before it has come that far. */
const POSITIONS_PER_MS = 1000;

/**
 * Opens the store; a file that is damaged, now or whenever that is noticed, is set aside, a new one takes its place, and
 * what was being done is done with that. Findings come back when the nodes send them; history and events that no sink
 * has delivered yet are in the file that was set aside only. Rejects with StoreError as `openSqliteStore` does, but not
 * for damage: a file of a later version or of another program is left where it is.
 */
export async function openHealingStore(options: HealingStoreOptions): Promise<HealingStore> {
  const { path, clock, log, onReplaced } = options;
  let inner: Store | undefined;
  let opening: Promise<Store> | undefined;
  let inode: number | undefined;
  /** Set while a new file is owed in place of one that was set aside. */
  let positionsAfter: number | undefined;
  let lastMs = -Infinity;
  let started = false;

  const putAside = (error: unknown): void => {
    if (clock.monotonic() - lastMs < MIN_INTERVAL_MS) throw error;
    lastMs = clock.monotonic();
    const damaged = quarantine(path, clock.now());
    const salvaged = salvage(damaged.path);
    const reason = error instanceof Error ? error.message : String(error);
    log.error(
      { reason, setAside: damaged.path, undelivered: salvaged?.undelivered ?? 'cannot be told' },
      'the store is damaged and was set aside; a new one begins empty, nodes send their findings again, ' +
        'history and events that were not delivered are in the old file only',
    );
    positionsAfter = Math.max(clock.now() * POSITIONS_PER_MS, salvaged?.position ?? 0, positionsAfter ?? 0);
  };
  const openFile = async (): Promise<Store> => {
    const store = await openSqliteStore(options);
    if (positionsAfter !== undefined) await store.raisePosition(positionsAfter);
    inode = inodeOf(path);
    return store;
  };
  const open = async (): Promise<Store> => {
    try {
      return await openFile();
    } catch (error) {
      if (!isDamage(error)) throw error;
      putAside(error);
      return openFile();
    }
  };
  const current = async (): Promise<Store> => {
    if (inner !== undefined) return inner;
    opening ??= open();
    try {
      const opened = await opening;
      if (inner !== undefined) return opened;
      inner = opened;
      if (positionsAfter !== undefined && started) onReplaced();
      positionsAfter = undefined;
      return opened;
    } finally {
      opening = undefined;
    }
  };
  /** The store in place of one that is damaged. */
  const replace = async (damaged: Store, error: unknown): Promise<Store> => {
    if (inner === damaged) {
      putAside(error);
      inner = undefined;
      // It may not even be able to close.
      await damaged.close().catch(() => undefined);
    }
    return current();
  };
  const healing =
    <A extends readonly unknown[], R>(method: (store: Store) => (...args: A) => Promise<R>) =>
    async (...args: A): Promise<R> => {
      const store = inner ?? (await current());
      try {
        return await method(store)(...args);
      } catch (error) {
        if (!isDamage(error)) throw error;
        return method(await replace(store, error))(...args);
      }
    };

  await current();
  started = true;
  return {
    setAside: () => listQuarantined(path)[0],
    isInPlace: () => inode === inodeOf(path),
    store: {
      commit: healing((store) => store.commit),
      replicationState: healing((store) => store.replicationState),
      putNode: healing((store) => store.putNode),
      nodes: healing((store) => store.nodes),
      removeNode: healing((store) => store.removeNode),
      findings: healing((store) => store.findings),
      counts: healing((store) => store.counts),
      history: healing((store) => store.history),
      historyRange: healing((store) => store.historyRange),
      trend: healing((store) => store.trend),
      outbox: healing((store) => store.outbox),
      cursor: healing((store) => store.cursor),
      advance: healing((store) => store.advance),
      raisePosition: healing((store) => store.raisePosition),
      prune: healing((store) => store.prune),
      verify: healing((store) => store.verify),
      close: async () => {
        await (inner ?? (await opening))?.close();
      },
    },
  };
}

/** Undefined where there is no file, or its directory cannot be read. */
function inodeOf(path: string): number | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false })?.ino;
  } catch {
    return undefined;
  }
}

function isDamage(error: unknown): boolean {
  return error instanceof StoreError && error.code === 'damaged';
}

/** What a damaged file still tells of positions: the newest, and how many events each sink had not taken. */
function salvage(
  path: string,
): { readonly position: number; readonly undelivered: Readonly<Record<string, number>> } | undefined {
  try {
    const db = new DatabaseSync(path, { readOnly: true });
    try {
      const position = Number(db.prepare('SELECT position FROM store').get()?.['position']);
      const cursors = db.prepare('SELECT sink, position FROM cursor').all();
      if (!Number.isSafeInteger(position)) return undefined;
      const missing = cursors.map(
        (row) => [String(row['sink']), Math.max(0, position - Number(row['position']))] as const,
      );
      return { position, undelivered: Object.fromEntries(missing) };
    } finally {
      db.close();
    }
  } catch {
    return undefined; // it is damaged: the log then says nothing about them
  }
}
