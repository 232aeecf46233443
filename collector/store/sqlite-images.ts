import type { DatabaseSync } from 'node:sqlite';
import { flush, relaxed, transaction } from './connection.ts';
import type { ActivityTable } from './activity-table.ts';
import { prepareImageClaims } from './image-claims.ts';
import type { ImageStore } from './image-store.ts';
import { prepareInventoryTable } from './inventory-table.ts';
import { preparePackageOwners } from './package-owners.ts';
import { prepareScanTable } from './scan-table.ts';
import { prepareSuppressionTable } from './suppression-table.ts';
import { prepareVulnerabilityTable } from './vulnerability-table.ts';

/** Runs one call of the store: every failure becomes a StoreError. `doing` says what the call does. */
export type Guarded = <T>(doing: string, work: () => T | Promise<T>) => Promise<T>;

/** Prepares the statements for images. The result is bound to the errors of the store by {@link imageStore}. */
export function prepareImages(db: DatabaseSync, activities: ActivityTable) {
  return {
    claims: prepareImageClaims(db),
    inventories: prepareInventoryTable(db, activities),
    owners: preparePackageOwners(db),
    vulnerabilities: prepareVulnerabilityTable(db),
    suppressions: prepareSuppressionTable(db),
    scans: prepareScanTable(db),
  };
}

/** The `ImageStore` on SQLite. */
export function imageStore(
  db: DatabaseSync,
  { claims, inventories, owners, vulnerabilities, suppressions, scans }: ReturnType<typeof prepareImages>,
  guarded: Guarded,
): ImageStore {
  return {
    // A power cut may take these back: the node says them again with its next session.
    putClaims: (nodeId, list, terms) =>
      guarded('store the images of a node', () => relaxed(db, () => claims.put(nodeId, list, terms))),
    putInventory: (digest, inventory, content, atMs) =>
      guarded('store an inventory', () => inventories.put(digest, inventory, content, atMs)),
    newestDatabase: () => guarded('read package versions', vulnerabilities.newestDatabase),
    unjudged: (database, limit, fromName = '') =>
      guarded('read package versions', () => vulnerabilities.unjudged(database, limit, fromName)),
    putJudgements: (database, judgements, terms) =>
      guarded('store vulnerabilities', () => {
        const result = relaxed(db, () => vulnerabilities.put(database, judgements, terms), vulnerabilities.forgetKeys);
        // A power cut may take judgements back, but no event that a sink has read.
        if (result.newest > 0) flush(db);
        return result;
      }),
    announce: (from, limits, terms) =>
      guarded('store vulnerabilities', () => {
        const announced = relaxed(db, () => vulnerabilities.announce(from, limits, terms));
        if (announced.newest > 0) flush(db);
        return announced;
      }),
    vulnerabilityNames: (after, limit) => guarded('read vulnerabilities', () => suppressions.names(after, limit)),
    suppressedKeys: () => guarded('read vulnerabilities', suppressions.keys),
    packagesWith: (key) => guarded('read vulnerabilities', () => suppressions.packagesWith(key)),
    putSuppressions: (changes, terms) =>
      guarded('store vulnerabilities', () => transaction(db, () => suppressions.put(changes, terms))),
    confirmJudgements: (database, keys) =>
      guarded('store vulnerabilities', () => relaxed(db, () => vulnerabilities.confirm(database, keys))),
    recount: (limit) => guarded('count vulnerabilities', () => relaxed(db, () => inventories.recount(limit))),
    claims: (imageId) => guarded('read images', () => (imageId === undefined ? claims.all() : claims.ofImage(imageId))),
    contradictedImages: (limit) => guarded('read images', () => claims.contradicted(limit)),
    soleNodes: (keys) => guarded('read where packages are', () => owners.soleNodes(keys)),
    vulnerabilityRows: (nodeId) => guarded('count vulnerabilities', () => owners.vulnerabilityRows(nodeId)),
    inventories: () => guarded('read inventories', inventories.all),
    inventoryContent: (digest) => guarded('read an inventory', () => inventories.content(digest)),
    // It cannot be asked for again from a node.
    putScan: (scan, content) =>
      guarded('store the scan of an image', () => transaction(db, () => scans.put(scan, content))),
    scans: () => guarded('read scans', scans.all),
    scanContent: (id) => guarded('read a scan', () => scans.content(id)),
    vulnerabilitiesOf: (digests) => guarded('read vulnerabilities', () => vulnerabilities.ofInventories(digests)),
    unjudgedOf: (digests) => guarded('read package versions', () => vulnerabilities.unjudgedOf(digests)),
    vulnerabilityIds: (filter) => guarded('read vulnerabilities', () => vulnerabilities.ids(filter)),
    affectedBy: (id) => guarded('read a vulnerability', () => vulnerabilities.affectedBy(id)),
    places: (keys) => guarded('read where packages are', () => vulnerabilities.places(keys)),
    fixable: () => guarded('read fixes', vulnerabilities.fixable),
    packages: (keys) => guarded('read package versions', () => vulnerabilities.packages(keys)),
    packagesOf: (digest) => guarded('read an inventory', () => inventories.packagesOf(digest)),
    pruneImages: ({ releasedBeforeMs, atMs }) =>
      guarded('prune images', async () => {
        relaxed(db, () => claims.prune(releasedBeforeMs));
        while (relaxed(db, inventories.prune)) {
          await new Promise(setImmediate);
          if (!db.isOpen) return 0;
        }
        for (let newest = 0; ;) {
          const pruned = transaction(db, () => vulnerabilities.prune(atMs));
          newest = Math.max(newest, pruned.newest);
          if (pruned.isDone) return newest;
          await new Promise(setImmediate);
          if (!db.isOpen) return newest;
        }
      }),
  };
}
