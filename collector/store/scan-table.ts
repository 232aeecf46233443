import type { DatabaseSync } from 'node:sqlite';
import type { ImageScan } from './image-store.ts';

/** Packages of images that the collector has read itself from the layers in their registry. */
export interface ScanTable {
  /** See `ImageStore.putScan`. Must be called within a transaction. */
  readonly put: (scan: ImageScan, content: Uint8Array) => void;
  readonly all: () => readonly ImageScan[];
  readonly content: (id: string) => EncodedContent | undefined;
}

/** An inventory as it was stored. */
interface EncodedContent {
  readonly digest: string;
  readonly bytes: Uint8Array;
}

/** Scans that are kept, and the bytes of their inventories together. */
const LIMITS = Object.freeze({ scans: 2000, bytes: 256 * 1024 * 1024 });

/** Prepares the statements. */
export function prepareScanTable(
  db: DatabaseSync,
  limits: Readonly<Record<'scans' | 'bytes', number>> = LIMITS,
): ScanTable {
  const upsert = db.prepare(
    `INSERT INTO image_scan (id, manifest, inventory, at, content) VALUES (?, ?, ?, ?, ?)
     ON CONFLICT (id) DO UPDATE SET
       manifest = excluded.manifest, inventory = excluded.inventory, at = excluded.at, content = excluded.content`,
  );
  const selectAll = db.prepare('SELECT id, manifest, inventory, at AS atMs FROM image_scan');
  const selectContent = db.prepare('SELECT inventory AS digest, content AS bytes FROM image_scan WHERE id = ?');
  // Scans of images that no node has go first, so that whoever can have images scanned displaces none that runs.
  const trim = db.prepare(
    `DELETE FROM image_scan WHERE id IN (
       SELECT id FROM (
         SELECT id, row_number() OVER recent AS number, sum(length(content)) OVER recent AS bytes FROM (
           SELECT id, at, content, EXISTS (
             SELECT 1 FROM image JOIN image_claim ON image_claim.image = image.key
             WHERE image.id IN (image_scan.id, image_scan.manifest) AND image_claim.in_use = 1
           ) AS claimed FROM image_scan)
         WINDOW recent AS (ORDER BY claimed DESC, at DESC, id ROWS UNBOUNDED PRECEDING))
       WHERE number > ?1 OR bytes > ?2)`,
  );
  return {
    put: ({ id, manifest, inventory, atMs }, content) => {
      upsert.run(id, manifest, inventory, atMs, content);
      trim.run(limits.scans, limits.bytes);
    },
    all: () => selectAll.all() as unknown as readonly ImageScan[],
    content: (id) => selectContent.get(id) as EncodedContent | undefined,
  };
}
