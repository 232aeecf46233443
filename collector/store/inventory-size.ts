import type { Inventory } from '../../vulnerability/package.ts';
import { identityOf } from './package-row.ts';

/** What a row of `package_version` and of `inventory_package` takes beside its texts, with their indexes. */
const ROW_BYTES = 120;

/**
 * Bytes that an inventory can take in the store: its content, and each package as if no other inventory had it, with the
 * index that repeats its texts.
 */
export function inventoryBytes({ packages, distribution }: Inventory, content: Uint8Array): number {
  let bytes = content.length;
  for (const found of packages) {
    bytes += ROW_BYTES;
    for (const text of identityOf(found, distribution)) bytes += 2 * Buffer.byteLength(text);
  }
  return bytes;
}
