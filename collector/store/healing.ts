import { statSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import type { Issue } from '../status/collector-status.ts';
import type { Clock } from '../../service/clock.ts';
import type { Logger } from '../../service/log.ts';
import { StoreError } from './error.ts';
import type { RepairedPosition } from './repair-positions.ts';
import { listQuarantined, quarantine } from './quarantine.ts';
import type { QuarantinedFile } from './quarantine.ts';
import { openSqliteStore } from './sqlite.ts';
import type { SqliteStoreOptions } from './sqlite.ts';
import type { Store } from './store.ts';

/** Options of a self-healing store. */
export interface HealingStoreOptions extends SqliteStoreOptions {
  readonly clock: Clock;
  readonly log: Logger;
  /** Called when a new file replaced a damaged one: every node must send its findings again. Not called at the start. */
  readonly onReplaced: () => void;
}

/** The store, and the state of its file. */
export interface HealingStore {
  readonly store: Store;
  /** The newest quarantined file beside the store, also from an earlier run. */
  readonly quarantined: () => QuarantinedFile | undefined;
  /** Are the file that is open and its write-ahead log still those at their paths? */
  readonly isInPlace: () => boolean;
  /** What was corrected in the file since the start. */
  readonly issues: () => readonly Issue[];
}

/** Limits how often a disk that damages every file gets a new one. */
const MIN_INTERVAL_MS = 60_000;
/** Corrections that are listed. */
const MAX_REPAIRED = 20;
/** Positions of a new file start at the time in microseconds, which is beyond those of any store before it. */
const POSITIONS_PER_MS = 1000;

/**
 * Opens the store. When damage is detected, now or later, the file is renamed, a new one takes its place and the call
 * is repeated on that. Findings come back when the nodes send them; history and undelivered events remain in the
 * renamed file only. Rejects with StoreError as `openSqliteStore` does, except for damage. A file of a later version or
 * of another program is not touched.
 */
export async function openHealingStore(options: HealingStoreOptions): Promise<HealingStore> {
  const { path, clock, log, onReplaced } = options;
  let inner: Store | undefined;
  let opening: Promise<Store> | undefined;
  let inode: number | undefined;
  let walInode: number | undefined;
  /** Set from the quarantine of a file until the new one is open. */
  let positionsAfter: number | undefined;
  let lastMs = -Infinity;
  let started = false;

  const repaired: string[] = [];
  const onPositionRepaired = ({ of, from, to }: RepairedPosition): void => {
    const name = of.kind === 'store' ? 'the last event' : `the sink ${of.name}`;
    log.error({ of: name, from, to }, 'a position in the store was damaged and is corrected');
    if (repaired.length < MAX_REPAIRED) repaired.push(`${name} (${String(from)} to ${String(to)})`);
  };
  const quarantineFile = (error: unknown): void => {
    if (clock.monotonic() - lastMs < MIN_INTERVAL_MS) throw error;
    lastMs = clock.monotonic();
    const damaged = quarantine(path, clock.now());
    const salvaged = salvage(damaged.path);
    const reason = error instanceof Error ? error.message : String(error);
    log.error(
      { reason, quarantined: damaged.path, undelivered: salvaged?.undelivered ?? 'unknown' },
      'the store is damaged and was quarantined; a new one starts empty and nodes send their findings again. ' +
        'History and undelivered events are in the old file only',
    );
    positionsAfter = Math.max(clock.now() * POSITIONS_PER_MS, salvaged?.position ?? 0, positionsAfter ?? 0);
  };
  const openFile = async (): Promise<Store> => {
    const store = await openSqliteStore({ ...options, onPositionRepaired });
    if (positionsAfter !== undefined) await store.raisePosition(positionsAfter);
    inode = inodeOf(path);
    walInode = inodeOf(`${path}-wal`);
    return store;
  };
  const open = async (): Promise<Store> => {
    try {
      return await openFile();
    } catch (error) {
      if (!isDamage(error)) throw error;
      quarantineFile(error);
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
  /** Replaces a damaged store, once for all callers. */
  const replace = async (damaged: Store, error: unknown): Promise<Store> => {
    if (inner === damaged) {
      quarantineFile(error);
      inner = undefined;
      // Closing a damaged file can fail.
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
    quarantined: () => listQuarantined(path)[0],
    issues: () => (repaired.length === 0 ? [] : [repairedIssue(path, repaired)]),
    isInPlace: () => {
      // SQLite makes it with the first transaction, and keeps it while the file is open.
      const wal = inodeOf(`${path}-wal`);
      walInode ??= wal;
      return inode === inodeOf(path) && walInode === wal;
    },
    store: {
      commit: healing((store) => store.commit),
      putCollectorFindings: healing((store) => store.putCollectorFindings),
      reviewWaivers: healing((store) => store.reviewWaivers),
      waivedCounts: healing((store) => store.waivedCounts),
      replicationState: healing((store) => store.replicationState),
      putNodes: healing((store) => store.putNodes),
      nodes: healing((store) => store.nodes),
      removeNode: healing((store) => store.removeNode),
      findings: healing((store) => store.findings),
      findingGroups: healing((store) => store.findingGroups),
      counts: healing((store) => store.counts),
      history: healing((store) => store.history),
      historyRange: healing((store) => store.historyRange),
      trend: healing((store) => store.trend),
      putBenchmarkScores: healing((store) => store.putBenchmarkScores),
      benchmarkScores: healing((store) => store.benchmarkScores),
      outbox: healing((store) => store.outbox),
      recordRefusals: healing((store) => store.recordRefusals),
      recordRemediations: healing((store) => store.recordRemediations),
      recordActivities: healing((store) => store.recordActivities),
      detections: healing((store) => store.detections),
      sweepDetections: healing((store) => store.sweepDetections),
      records: (kind) => options.activities?.has(kind) ?? false,
      recordDenials: healing((store) => store.recordDenials),
      denials: healing((store) => store.denials),
      recordAdmissions: healing((store) => store.recordAdmissions),
      admissions: healing((store) => store.admissions),
      pruneAdmissions: healing((store) => store.pruneAdmissions),
      cursor: healing((store) => store.cursor),
      advance: healing((store) => store.advance),
      raisePosition: healing((store) => store.raisePosition),
      prune: healing((store) => store.prune),
      findingBytes: healing((store) => store.findingBytes),
      verify: healing((store) => store.verify),
      backlog: healing((store) => store.backlog),
      dropOldest: healing((store) => store.dropOldest),
      deadLetters: {
        add: healing((store) => store.deadLetters.add),
        list: healing((store) => store.deadLetters.list),
        find: healing((store) => store.deadLetters.find),
        counts: healing((store) => store.deadLetters.counts),
        replay: healing((store) => store.deadLetters.replay),
        purge: healing((store) => store.deadLetters.purge),
      },
      images: {
        putClaims: healing((store) => store.images.putClaims),
        putInventory: healing((store) => store.images.putInventory),
        newestDatabase: healing((store) => store.images.newestDatabase),
        unjudged: healing((store) => store.images.unjudged),
        putJudgements: healing((store) => store.images.putJudgements),
        announce: healing((store) => store.images.announce),
        putSuppressions: healing((store) => store.images.putSuppressions),
        vulnerabilityNames: healing((store) => store.images.vulnerabilityNames),
        suppressedKeys: healing((store) => store.images.suppressedKeys),
        packagesWith: healing((store) => store.images.packagesWith),
        confirmJudgements: healing((store) => store.images.confirmJudgements),
        recount: healing((store) => store.images.recount),
        claims: healing((store) => store.images.claims),
        contradictedImages: healing((store) => store.images.contradictedImages),
        soleNodes: healing((store) => store.images.soleNodes),
        vulnerabilityRows: healing((store) => store.images.vulnerabilityRows),
        inventories: healing((store) => store.images.inventories),
        inventoryContent: healing((store) => store.images.inventoryContent),
        putScan: healing((store) => store.images.putScan),
        scans: healing((store) => store.images.scans),
        scanContent: healing((store) => store.images.scanContent),
        vulnerabilitiesOf: healing((store) => store.images.vulnerabilitiesOf),
        unjudgedOf: healing((store) => store.images.unjudgedOf),
        vulnerabilityIds: healing((store) => store.images.vulnerabilityIds),
        affectedBy: healing((store) => store.images.affectedBy),
        places: healing((store) => store.images.places),
        fixable: healing((store) => store.images.fixable),
        packages: healing((store) => store.images.packages),
        packagesOf: healing((store) => store.images.packagesOf),
        pruneImages: healing((store) => store.images.pruneImages),
      },
      close: async () => {
        await (inner ?? (await opening))?.close();
      },
    },
  };
}

function repairedIssue(path: string, repaired: readonly string[]): Issue {
  return {
    code: 'storeRepaired',
    subject: path,
    text: `positions in the store were damaged and were corrected: ${repaired.join(', ')}`,
    advice:
      'look at the disk (dmesg, smartctl). A sink whose position was damaged gets the events of the outbox again, with ' +
      'the same ids. This message ends with the next start',
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

/** Reads from a damaged file, if possible: the newest position, and how many events each sink had not acknowledged. */
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
    return undefined; // too damaged: the log then says `unknown`
  }
}
