import type { DatabaseSync } from 'node:sqlite';
import { COMPLETE, SOURCE_NUMBER } from './image-claims.ts';
import type { PackagePlace } from './image-store.ts';

/** Marks the inventories with a package version, so that their vulnerabilities are counted again. */
export const MARK_STALE = `UPDATE inventory SET counted = 0 WHERE counted = 1 AND key IN
  (SELECT inventory FROM inventory_package WHERE package = ?)`;

/** Prepares the query for the images that have package versions: each image once, or once for each node. */
export function preparePlaces(db: DatabaseSync): (packageKeys: readonly number[]) => readonly PackagePlace[] {
  const selectPlaces = db.prepare(
    `SELECT DISTINCT image.id AS imageId, iif(c.source = ${String(SOURCE_NUMBER.layers)}, NULL,
       (SELECT id FROM node WHERE key = c.node)) AS nodeId
     FROM inventory_package p CROSS JOIN inventory i ON i.key = p.inventory AND i.state = ${String(COMPLETE)}
     CROSS JOIN image_claim c ON c.inventory = i.key CROSS JOIN image ON image.key = c.image WHERE p.package = ?`,
  );
  selectPlaces.setReturnArrays(true);
  return (packageKeys) =>
    packageKeys.flatMap((packageKey) => {
      const rows = selectPlaces.all(packageKey) as unknown as (readonly [string, string | null])[];
      const everywhere = new Set(rows.filter(([, nodeId]) => nodeId === null).map(([imageId]) => imageId));
      return [
        ...[...everywhere].map((imageId) => ({ packageKey, imageId })),
        ...rows.flatMap(([imageId, nodeId]) =>
          nodeId === null || everywhere.has(imageId) ? [] : [{ packageKey, imageId, nodeId }],
        ),
      ];
    });
}
