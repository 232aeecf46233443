import type { Delta, FindingSet } from '../../posture/delta.ts';

/** `before` with `delta` applied, as fleet.proto defines a delta: what is gone goes first. */
export function applyDelta(before: FindingSet, delta: Delta): FindingSet {
  const after = new Map(before);
  for (const id of delta.gone) after.delete(id);
  for (const finding of delta.added) after.set(finding.id, finding);
  for (const finding of delta.changed) after.set(finding.id, finding);
  return after;
}
