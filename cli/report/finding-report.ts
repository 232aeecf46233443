import { createHash } from 'node:crypto';
import type { BenchmarkResult } from '../../posture/benchmark/compliance.ts';
import type { Check } from '../../posture/check/check.ts';
import type { Finding } from '../../posture/finding.ts';
import type { Catalog } from '../../tailoring/catalog.ts';

/** What reports show of a check. */
export type ReportedCheck = Pick<Check, 'id' | 'title' | 'severity' | 'rationale' | 'remediation' | 'references'>;

/** A finding of a report. */
export interface ReportedFinding extends Finding {
  /** The node that it is on. */
  readonly node: ReportedNode;
  /** Why it does not count, for people; absent: it counts. */
  readonly accepted?: string;
  /** A waiver accepts it. */
  readonly waived?: boolean;
}

/** A node of a report. */
export interface ReportedNode {
  readonly id: string;
  readonly name: string;
  readonly operatingSystem: string;
}

/** Everything that the formats for other tools show of a scan, or of the findings of a collector. */
export interface FindingReport {
  /** The command whose output it is: `plimsoll scan`. */
  readonly command: string;
  /** What was judged, by whom and when, in sentences. */
  readonly description: string;
  /** The nodes that were judged. */
  readonly nodes: readonly ReportedNode[];
  /** Each finding names its node, also where there is only one now: a report about a fleet. */
  readonly isFleet: boolean;
  /** The findings to report, worst first. */
  readonly findings: readonly ReportedFinding[];
  /** The checks of the findings. */
  readonly checks: readonly ReportedCheck[];
  /** The profile of the scan, and the checks that it excludes. */
  readonly tailoring: Pick<Catalog, 'profile' | 'excluded'>;
  /** The benchmark that was chosen, judged over everything. */
  readonly benchmark: BenchmarkResult<ReportedFinding> | undefined;
  /** Findings that match and are not in the report: false where there are some. */
  readonly isComplete: boolean;
  /** Milliseconds since the epoch. */
  readonly madeAt: number;
  readonly version: string;
}

/**
 * A stable identity of a finding on its node, as hexadecimal digits: for baselines and for tools that track findings. A
 * container or image counts as the same one while its name is: its id changes whenever it is created again.
 */
export function fingerprintOf(
  { check, subject: { kind, id, name } }: Pick<Finding, 'check' | 'subject'>,
  ...node: readonly string[]
): string {
  const key = (kind === 'container' || kind === 'image') && name !== '' ? name : id;
  return createHash('sha256')
    .update(JSON.stringify([check, kind, key, ...node]))
    .digest('hex');
}

/** RFC 3339. */
export function timeText(ms: number): string {
  return new Date(ms).toISOString();
}
