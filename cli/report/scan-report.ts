import { createHash } from 'node:crypto';
import type { BenchmarkResult } from '../../posture/benchmark/compliance.ts';
import type { Finding } from '../../posture/finding.ts';
import type { Catalog } from '../../tailoring/catalog.ts';
import { waiverText } from '../../policy/waiver.ts';
import type { Waiver } from '../../policy/waiver.ts';
import type { ScannedNode } from '../scan/node.ts';

/** Everything that the formats of `plimsoll scan` for other tools show. */
export interface ScanReport {
  readonly node: ScannedNode;
  /** The findings to report, worst first. */
  readonly findings: readonly Finding[];
  /** The checks that were judged, and those that a profile excludes. */
  readonly catalog: Catalog;
  /** The benchmark that was chosen, judged over everything. */
  readonly benchmark: BenchmarkResult | undefined;
  /** Ids of failures that the baseline has. */
  readonly known: ReadonlySet<string>;
  /** The waivers of findings, by id. */
  readonly waived: ReadonlyMap<string, Waiver>;
  /** Milliseconds since the epoch. */
  readonly scannedAt: number;
  readonly version: string;
}

/**
 * A stable identity of a finding on its node, as hexadecimal digits: for baselines and for tools that track findings. A
 * container or image counts as the same one while its name is: its id changes whenever it is created again.
 */
export function fingerprintOf({ check, subject: { kind, id, name } }: Pick<Finding, 'check' | 'subject'>): string {
  const key = (kind === 'container' || kind === 'image') && name !== '' ? name : id;
  return createHash('sha256')
    .update(JSON.stringify([check, kind, key]))
    .digest('hex');
}

/** RFC 3339. */
export function timeText(ms: number): string {
  return new Date(ms).toISOString();
}

/** Why a finding does not count, for people; undefined: it counts. */
export function acceptedBecause(
  { known, waived }: Pick<ScanReport, 'known' | 'waived'>,
  id: string,
): string | undefined {
  const waiver = waived.get(id);
  if (waiver !== undefined) return waiverText(waiver);
  return known.has(id) ? 'in the baseline' : undefined;
}
