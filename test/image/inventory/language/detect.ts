import type { Detector } from '../../../../image/inventory/detector.ts';
import { memoryTree } from '../../../fixture/memory-tree.ts';

/** What a detector finds in a tree: `name version` sorted, and the gaps as `path: reason`. */
export interface Found {
  readonly packages: readonly string[];
  readonly gaps: readonly string[];
}

/** Offers each file of a tree to a detector, as the inventory does. */
export function detectIn(detector: Detector, content: Readonly<Record<string, string | Uint8Array>>): Found {
  const tree = memoryTree(content);
  const packages: string[] = [];
  const gaps: string[] = [];
  tree.walk((file) => {
    if (!detector.matches(file)) return;
    const found = detector.detect(file, tree);
    packages.push(...found.packages.map(({ name, version }) => `${name} ${version}`));
    gaps.push(...found.gaps.map(({ path, reason }) => `${path}: ${reason}`));
  });
  return { packages: packages.toSorted(), gaps };
}
