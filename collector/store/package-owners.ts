import type { DatabaseSync } from 'node:sqlite';

/** Which nodes package versions belong to, by the images that they claim. */
export interface PackageOwners {
  /** See `ImageStore.soleNodes`. */
  readonly soleNodes: (packageKeys: readonly number[]) => ReadonlyMap<number, string>;
  /** See `ImageStore.vulnerabilityRows`. */
  readonly vulnerabilityRows: (nodeId: string) => number;
}

/** Prepares the statements. */
export function preparePackageOwners(db: DatabaseSync): PackageOwners {
  const selectNodes = db.prepare(
    `SELECT DISTINCT c.node FROM inventory_package p CROSS JOIN image_claim c ON c.inventory = p.inventory
     WHERE p.package = ? LIMIT 2`,
  );
  const selectNodeId = db.prepare('SELECT id FROM node WHERE key = ?');
  const countRows = db.prepare(
    `SELECT count(*) AS rows FROM package_vulnerability WHERE package IN (
       SELECT p.package FROM image_claim c CROSS JOIN inventory_package p ON p.inventory = c.inventory
       WHERE c.node = (SELECT key FROM node WHERE id = ?))`,
  );
  return {
    soleNodes: (packageKeys) => {
      const nodes = new Map<number, string>();
      for (const key of packageKeys) {
        const [first, second] = selectNodes.all(key);
        if (first !== undefined && second === undefined)
          nodes.set(key, String(selectNodeId.get(Number(first['node']))?.['id']));
      }
      return nodes;
    },
    vulnerabilityRows: (nodeId) => Number(countRows.get(nodeId)?.['rows']),
  };
}
