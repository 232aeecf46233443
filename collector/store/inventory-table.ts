import type { DatabaseSync } from 'node:sqlite';
import type { Inventory } from '../../vulnerability/package.ts';
import { MAX_COMPONENTS } from '../event/activity.ts';
import type { ActivityTable } from './activity-table.ts';
import { relaxed } from './connection.ts';
import { COMPLETE } from './image-claims.ts';
import type { StoredInventory, VulnerabilityCounts } from './image-store.ts';
import { inventoryBytes } from './inventory-size.ts';
import { distributionText, IDENTITY_COLUMNS, identityOf, parsed, severityAt, toDistribution } from './package-row.ts';

/** Inventories and the package versions in them. */
export interface InventoryTable {
  /** See `ImageStore.putInventory`. Opens transactions of its own, and lets others have their turn in between. */
  readonly put: (digest: string, inventory: Inventory, content: Uint8Array, atMs: number) => Promise<void>;
  readonly all: () => ReadonlyMap<string, StoredInventory>;
  readonly content: (digest: string) => Uint8Array | undefined;
  readonly packagesOf: (digest: string) => readonly number[];
  /** See `ImageStore.recount`. Must be called within a transaction. */
  readonly recount: (limit: number) => boolean;
  /** Deletes inventories that no claim names. True: there were some. */
  readonly prune: () => boolean;
}

/** Packages written in one transaction: some 5 ms. */
const CHUNK = 250;
const WRITING = 1;
/** Inventories deleted in one transaction. */
const PRUNE_CHUNK = 20;

/** A node that has the inventory, and its image there. */
interface Claimant {
  readonly nodeId: string;
  readonly nodeName: string;
  readonly imageId: string;
}

interface InventoryRow {
  readonly digest: string;
  readonly distribution: string;
  readonly packages: number;
  readonly gaps: number;
  readonly receivedMs: number;
  readonly counts: string;
}

/** Prepares the statements. */
export function prepareInventoryTable(db: DatabaseSync, activities: ActivityTable): InventoryTable {
  const select = db.prepare('SELECT key, state FROM inventory WHERE digest = ?');
  const isClaimed = db.prepare('SELECT 1 FROM image_claim WHERE inventory = ? LIMIT 1');
  const begin = db.prepare(`UPDATE inventory SET state = ${String(WRITING)} WHERE key = ?`);
  const clear = db.prepare('DELETE FROM inventory_package WHERE inventory = ?');
  const finish = db.prepare(
    `UPDATE inventory SET state = ${String(COMPLETE)}, received = ?, distribution = ?, packages = ?, gaps = ?,
       counted = 0, content = ?, bytes = ? WHERE key = ?`,
  );
  const columns = IDENTITY_COLUMNS.split(', ');
  const selectPackage = db.prepare(
    `SELECT key FROM package_version WHERE ${columns.map((column, index) => `${column} = ?${String(index + 1)}`).join(' AND ')}`,
  );
  const insertPackage = db.prepare(
    `INSERT INTO package_version (${IDENTITY_COLUMNS}) VALUES (${columns.map(() => '?').join(', ')})`,
  );
  const insertEntry = db.prepare('INSERT OR IGNORE INTO inventory_package VALUES (?, ?)');
  const selectAll = db.prepare(
    `SELECT digest, distribution, packages, gaps, received AS receivedMs, counts FROM inventory
     WHERE state = ${String(COMPLETE)}`,
  );
  const selectContent = db.prepare(`SELECT content FROM inventory WHERE digest = ? AND state = ${String(COMPLETE)}`);
  const selectPackages = db.prepare(
    `SELECT package FROM inventory_package WHERE inventory =
       (SELECT key FROM inventory WHERE digest = ? AND state = ${String(COMPLETE)})`,
  );
  selectPackages.setReturnArrays(true);
  const selectStale = db.prepare(`SELECT key FROM inventory WHERE counted = 0 AND state = ${String(COMPLETE)} LIMIT ?`);
  const selectCounts = db.prepare(
    `SELECT min(f.severity), max(f.risk), max(f.exploited), max(f.status = 'fixed')
     FROM inventory_package i CROSS JOIN package_vulnerability f ON f.package = i.package AND f.suppressed = ''
     CROSS JOIN vulnerability v ON v.key = f.vulnerability WHERE i.inventory = ? GROUP BY v.id`,
  );
  selectCounts.setReturnArrays(true);
  const selectJudged = db.prepare(
    `SELECT total(p.unjudged <> '') AS unjudged, total(p.judged = '') AS waiting
     FROM inventory_package i CROSS JOIN package_version p ON p.key = i.package WHERE i.inventory = ?`,
  );
  const setCounts = db.prepare('UPDATE inventory SET counted = 1, counts = ? WHERE key = ?');
  const selectUnclaimed = db.prepare(
    `SELECT key FROM inventory WHERE NOT EXISTS (SELECT 1 FROM image_claim WHERE inventory = inventory.key)
     LIMIT ${String(PRUNE_CHUNK)}`,
  );
  const remove = db.prepare('DELETE FROM inventory WHERE key = ?');
  const writing = new Map<string, Promise<void>>();
  const selectClaimant = db.prepare(
    `SELECT node.id AS nodeId, node.name AS nodeName, image.id AS imageId FROM image_claim
     JOIN node ON node.key = image_claim.node JOIN image ON image.key = image_claim.image
     WHERE image_claim.inventory = ? ORDER BY node.key, image.key LIMIT 1`,
  );
  const noteInventory = (key: number, digest: string, { distribution, packages }: Inventory, atMs: number): void => {
    const claimant = selectClaimant.get(key) as Claimant | undefined;
    if (claimant === undefined) return;
    const components = packages.slice(0, MAX_COMPONENTS).map(({ name, version, type }) => ({ name, version, type }));
    const { id = '', versionId = '' } = distribution ?? {};
    const known = { digest, distribution: `${id} ${versionId}`.trim(), packages: packages.length, components };
    activities.write([{ activity: { kind: 'software', ...claimant, ...known }, atMs }]);
  };

  const write = async (digest: string, inventory: Inventory, content: Uint8Array, atMs: number): Promise<void> => {
    const row = select.get(digest) as { readonly key: number; readonly state: number } | undefined;
    if (row === undefined || row.state === COMPLETE || isClaimed.get(row.key) === undefined) return;
    const { key } = row;
    const { distribution, packages, gaps } = inventory;
    // Its claims, and so its row, can be deleted in the meantime; SQLite gives the key to the next inventory.
    const isCurrent = (): boolean => {
      const now = select.get(digest);
      return now?.['key'] === key && now['state'] === WRITING;
    };
    relaxed(db, () => {
      begin.run(key);
      // What was left behind when the process ended in the middle.
      clear.run(key);
    });
    for (let start = 0; start < packages.length; start += CHUNK) {
      relaxed(db, () => {
        if (!isCurrent()) return;
        for (const found of packages.slice(start, start + CHUNK)) {
          const identity = identityOf(found, distribution);
          const known = selectPackage.get(...identity)?.['key'];
          insertEntry.run(Number(known ?? insertPackage.run(...identity).lastInsertRowid), key);
        }
      });
      await new Promise(setImmediate);
      if (!db.isOpen) return;
    }
    relaxed(db, () => {
      if (!isCurrent()) return;
      finish.run(
        atMs,
        distributionText(distribution),
        packages.length,
        gaps.length,
        content,
        inventoryBytes(inventory, content),
        key,
      );
      if (activities.records('software')) noteInventory(key, digest, inventory, atMs);
    });
  };
  return {
    put: async (digest, ...rest) => {
      const work = writing.get(digest) ?? write(digest, ...rest).finally(() => writing.delete(digest));
      writing.set(digest, work);
      await work;
    },
    all: () =>
      new Map((selectAll.all() as unknown as InventoryRow[]).map((row) => [row.digest, toStoredInventory(row)])),
    content: (digest) => selectContent.get(digest)?.['content'] as Uint8Array | undefined,
    packagesOf: (digest) => (selectPackages.all(digest) as unknown as [number][]).map(([key]) => key),
    recount: (limit) => {
      const stale = selectStale.all(limit);
      for (const { key } of stale) {
        const rows = selectCounts.all(Number(key)) as unknown as CountedVulnerability[];
        const judged = selectJudged.get(Number(key)) as { readonly unjudged: number; readonly waiting: number };
        setCounts.run(countsText(rows, judged), Number(key));
      }
      return stale.length === limit;
    },
    prune: () => {
      const unclaimed = selectUnclaimed.all();
      for (const { key } of unclaimed) {
        clear.run(Number(key));
        remove.run(Number(key));
      }
      return unclaimed.length > 0;
    },
  };
}

type CountedVulnerability = readonly [severity: number, risk: number, exploited: number, fixable: number];

function countsText(
  rows: readonly CountedVulnerability[],
  { unjudged, waiting }: { readonly unjudged: number; readonly waiting: number },
): string {
  const bySeverity = { critical: 0, high: 0, medium: 0, low: 0, other: 0 };
  let [fixable, exploited, maxRisk] = [0, 0, 0];
  for (const [code, risk, isExploited, isFixable] of rows) {
    const severity = severityAt(code);
    bySeverity[severity === 'negligible' || severity === 'unknown' ? 'other' : severity] += 1;
    fixable += isFixable;
    exploited += isExploited;
    maxRisk = Math.max(maxRisk, risk);
  }
  const { critical, high, medium, low, other } = bySeverity;
  return JSON.stringify([critical, high, medium, low, other, fixable, exploited, maxRisk, unjudged, waiting]);
}

function toStoredInventory({ digest, distribution: text, packages, gaps, receivedMs, counts }: InventoryRow) {
  const distribution = toDistribution(text);
  const numbers = parsed(counts) as readonly number[];
  const [critical = 0, high = 0, medium = 0, low = 0, other = 0, fixable = 0, exploited = 0, maxRisk = 0] = numbers;
  // Not counted yet: nothing is known of its vulnerabilities.
  const [unjudged = 0, waiting = packages] = numbers.slice(8);
  const counted: VulnerabilityCounts = { critical, high, medium, low, other, fixable, exploited, maxRisk };
  return {
    digest,
    ...(distribution !== undefined && { distribution }),
    packages,
    gaps,
    receivedMs,
    unjudged,
    waiting,
    counts: counted,
  };
}
