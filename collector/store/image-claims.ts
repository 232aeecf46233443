import type { DatabaseSync } from 'node:sqlite';
import { prepareReplicationTable } from './replication-state.ts';
import type { ClaimResult, ImageClaim, InventorySource, StoredClaim } from './image-store.ts';

/** What nodes say about the images that they have. */
export interface ImageClaimTable {
  /** See `ImageStore.putClaims`. Must be called within a transaction. */
  readonly put: (
    nodeId: string,
    claims: readonly ImageClaim[],
    terms: { readonly isWhole: boolean; readonly atMs: number },
  ) => ClaimResult;
  readonly all: () => readonly StoredClaim[];
  readonly ofImage: (imageId: string) => readonly StoredClaim[];
  /** See `ImageStore.contradictedImages`. */
  readonly contradicted: (limit: number) => readonly string[];
  /** Deletes what a node says. Must be called within a transaction. */
  readonly removeNode: (node: number) => void;
  /** Deletes claims of images that were not on their node since then, and images that no claim names. */
  readonly prune: (releasedBeforeMs: number) => void;
}

/** `image_claim.source`. Stored: may be added to, never changed. */
export const SOURCE_NUMBER = { layers: 1, container: 2 } as const satisfies Record<InventorySource, number>;
/** State of an inventory that is stored completely. */
export const COMPLETE = 2;

/** Claims of one node that are kept: those of images that it does not have any more go first, then those at rest. */
const MAX_NODE_CLAIMS = 2048;

interface KnownClaim {
  readonly image: number;
  readonly imageId: string;
  readonly inventory: number | null;
  readonly source: number;
  readonly problem: string;
  readonly inUse: number;
  readonly atRest: string | null;
}

interface ClaimRow {
  readonly imageId: string;
  readonly digest: string | null;
  readonly source: number;
  readonly problem: string;
  readonly nodeId: string;
  readonly nodeName: string;
  readonly isStored: number;
  readonly inUse: number;
  readonly atRest: string | null;
  readonly changedMs: number;
}

/** Prepares the statements. */
export function prepareImageClaims(db: DatabaseSync): ImageClaimTable {
  const nodes = prepareReplicationTable(db);
  const selectImage = db.prepare('SELECT key FROM image WHERE id = ?');
  const insertImage = db.prepare('INSERT INTO image (id) VALUES (?)');
  const selectInventory = db.prepare('SELECT key FROM inventory WHERE digest = ?');
  const insertInventory = db.prepare('INSERT INTO inventory (digest) VALUES (?)');
  const selectKnown = db.prepare(
    `SELECT image_claim.image, image.id AS imageId, inventory, source, problem, in_use AS inUse,
       at_rest AS atRest FROM image_claim JOIN image ON image.key = image_claim.image WHERE node = ?`,
  );
  const upsert = db.prepare(
    `INSERT INTO image_claim (node, image, inventory, source, problem, at_rest, changed, in_use)
     VALUES (?, ?, ?, ?, ?, ?, ?, 1) ON CONFLICT (node, image) DO UPDATE SET
       inventory = excluded.inventory, source = excluded.source, problem = excluded.problem, in_use = 1,
       at_rest = excluded.at_rest, changed = excluded.changed`,
  );
  const release = db.prepare('UPDATE image_claim SET in_use = 0, changed = ? WHERE node = ? AND image = ?');
  const selectWanted = db.prepare(
    `SELECT DISTINCT digest FROM image_claim JOIN inventory ON inventory.key = image_claim.inventory
     WHERE node = ?1 AND in_use = 1 AND state < ${String(COMPLETE)} AND (at_rest IS NOT NULL) = ?2`,
  );
  const countPackages = db.prepare(
    `SELECT total(packages) AS packages, total(bytes) AS bytes FROM inventory WHERE key IN
       (SELECT inventory FROM image_claim WHERE node = ?1 AND (?2 OR at_rest IS NULL))`,
  );
  const trim = db.prepare(
    `DELETE FROM image_claim WHERE node = ?1 AND image IN (
       SELECT image FROM image_claim WHERE node = ?1
       ORDER BY in_use = 1 AND at_rest IS NULL DESC, in_use DESC, changed DESC
       LIMIT -1 OFFSET ${String(MAX_NODE_CLAIMS)}) RETURNING image, inventory`,
  );
  // Without these, a node could add rows until the next `prune`. An inventory that is complete is large: that is left to it.
  const dropImage = db.prepare(
    'DELETE FROM image WHERE key = ?1 AND NOT EXISTS (SELECT 1 FROM image_claim WHERE image = ?1)',
  );
  const dropWanted = db.prepare(
    'DELETE FROM inventory WHERE key = ?1 AND state = 0 AND NOT EXISTS (SELECT 1 FROM image_claim WHERE inventory = ?1)',
  );
  const columns = `SELECT image.id AS imageId, inventory.digest, source, problem, node.id AS nodeId,
       node.name AS nodeName, coalesce(inventory.state, 0) = ${String(COMPLETE)} AS isStored, in_use AS inUse,
       at_rest AS atRest, changed AS changedMs
     FROM image_claim CROSS JOIN image ON image.key = image_claim.image CROSS JOIN node ON node.key = image_claim.node
     LEFT JOIN inventory ON inventory.key = image_claim.inventory`;
  const selectAll = db.prepare(columns);
  const selectOfImage = db.prepare(`${columns} WHERE image_claim.image = (SELECT key FROM image WHERE id = ?)`);
  const selectContradicted = db.prepare(
    `SELECT id FROM image WHERE key IN (
       SELECT c.image FROM image_claim c JOIN inventory i ON i.key = c.inventory AND i.state = ${String(COMPLETE)}
       GROUP BY c.image HAVING count(DISTINCT iif(c.source = ${String(SOURCE_NUMBER.layers)}, c.inventory, NULL)) > 1
         OR count(DISTINCT i.distribution) > 1) ORDER BY key LIMIT ?`,
  );
  const removeNode = db.prepare('DELETE FROM image_claim WHERE node = ?');
  const removeReleased = db.prepare('DELETE FROM image_claim WHERE in_use = 0 AND changed < ?');
  const removeImages = db.prepare(
    'DELETE FROM image WHERE NOT EXISTS (SELECT 1 FROM image_claim WHERE image_claim.image = image.key)',
  );

  const keyOf = (select: typeof selectImage, insert: typeof insertImage, text: string): number =>
    Number(select.get(text)?.['key'] ?? insert.run(text).lastInsertRowid);
  return {
    put: (nodeId, claims, { isWhole, atMs }) => {
      const node = nodes.open(nodeId).key;
      const known = new Map((selectKnown.all(node) as unknown as KnownClaim[]).map((claim) => [claim.imageId, claim]));
      const kept = firstClaims(claims);
      for (const claim of kept) {
        const before = known.get(claim.imageId);
        known.delete(claim.imageId);
        const atRest = claim.atRest === undefined ? null : JSON.stringify(claim.atRest);
        const inventory = claim.digest === undefined ? null : keyOf(selectInventory, insertInventory, claim.digest);
        // A node that is looking again has not unsaid what it said.
        const isLooking = inventory === null && claim.problem === '' && before?.inUse === 1;
        const said = isLooking ? before : { inventory, source: SOURCE_NUMBER[claim.source], problem: claim.problem };
        if (
          before?.inUse === 1 &&
          before.inventory === said.inventory &&
          before.source === said.source &&
          before.problem === said.problem &&
          before.atRest === atRest
        )
          continue;
        const image = before?.image ?? keyOf(selectImage, insertImage, claim.imageId);
        upsert.run(node, image, said.inventory, said.source, said.problem, atRest, atMs);
        if (before !== undefined && before.inventory !== said.inventory) dropWanted.run(before.inventory);
      }
      if (isWhole) for (const { image, inUse } of known.values()) if (inUse === 1) release.run(atMs, node, image);
      for (const { image, inventory } of trim.all(node)) {
        dropImage.run(Number(image));
        if (inventory !== null) dropWanted.run(Number(inventory));
      }
      const wantedOf = (atRest: 0 | 1): string[] => selectWanted.all(node, atRest).map(({ digest }) => String(digest));
      const sizeOf = (whole: 0 | 1) =>
        countPackages.get(node, whole) as { readonly packages: number; readonly bytes: number };
      const [wanted, own, all] = [new Set(wantedOf(0)), sizeOf(0), sizeOf(1)];
      return {
        wanted: [...wanted],
        ...own,
        atRest: {
          wanted: wantedOf(1).filter((digest) => !wanted.has(digest)),
          packages: all.packages - own.packages,
          bytes: all.bytes - own.bytes,
        },
        omitted: claims.length - kept.length,
      };
    },
    all: () => (selectAll.all() as unknown as ClaimRow[]).map(toClaim),
    ofImage: (imageId) => (selectOfImage.all(imageId) as unknown as ClaimRow[]).map(toClaim),
    contradicted: (limit) => selectContradicted.all(limit).map(({ id }) => String(id)),
    removeNode: (node) => void removeNode.run(node),
    prune: (releasedBeforeMs) => {
      removeReleased.run(releasedBeforeMs);
      removeImages.run();
    },
  };
}

/** As many as a node may have, those that run first. */
function firstClaims(claims: readonly ImageClaim[]): readonly ImageClaim[] {
  if (claims.length <= MAX_NODE_CLAIMS) return claims;
  const running = claims.filter(({ atRest }) => atRest === undefined);
  const resting = claims.filter(({ atRest }) => atRest !== undefined);
  return [...running, ...resting].slice(0, MAX_NODE_CLAIMS);
}

function toClaim({ digest, source, isStored, inUse, atRest, ...row }: ClaimRow): StoredClaim {
  return {
    ...row,
    ...(digest !== null && { digest }),
    ...(atRest !== null && { atRest: JSON.parse(atRest) as readonly string[] }),
    source: source === SOURCE_NUMBER.layers ? 'layers' : 'container',
    isStored: isStored === 1,
    inUse: inUse === 1,
  };
}
