import { sameContent } from './finding.ts';
import type { Finding } from './finding.ts';

/** A node's findings by id. */
export type FindingSet = ReadonlyMap<string, Finding>;

/** What changed between two sets of findings of one node. `gone` holds ids. */
export interface Delta {
  readonly added: readonly Finding[];
  readonly changed: readonly Finding[];
  readonly gone: readonly string[];
}

/** What must be applied to `before` to get `after`. */
export function diff(before: FindingSet, after: FindingSet): Delta {
  const added: Finding[] = [];
  const changed: Finding[] = [];
  const gone: string[] = [];
  for (const [id, finding] of after) {
    const old = before.get(id);
    if (old === undefined) added.push(finding);
    else if (old !== finding && !sameContent(old, finding)) changed.push(finding);
  }
  for (const id of before.keys()) if (!after.has(id)) gone.push(id);
  return { added, changed, gone };
}

/** How many findings a delta touches. */
export function deltaSize(delta: Delta): number {
  return delta.added.length + delta.changed.length + delta.gone.length;
}
