import { readBoundedText } from '../../image/policy/bounded-text.ts';
import { SUBJECT_KINDS } from '../../posture/finding.ts';
import type { Finding } from '../../posture/finding.ts';
import { list, nullable, object, oneOf, string } from '../../posture/schema.ts';
import type { Parsed } from '../../posture/schema.ts';
import { SEVERITIES, severityRank, VERDICTS } from '../../posture/verdict.ts';
import type { Severity } from '../../posture/verdict.ts';
import { SCAN_SCHEMA } from '../scan/document.ts';
import { fingerprintOf } from './finding-report.ts';

const MAX_BASELINE_BYTES = 64 * 1024 * 1024;

const schema = object({
  schema: oneOf([SCAN_SCHEMA]),
  node: object({ id: string('', 256), name: string('', 65_536) }),
  findings: list(
    object({
      check: string('', 256),
      verdict: oneOf(VERDICTS),
      severity: oneOf(SEVERITIES),
      waiver: nullable(object({})),
      subject: object({ kind: oneOf(SUBJECT_KINDS), id: string('', 65_536), name: string('', 65_536) }),
    }),
    '',
    1_000_000,
  ),
});

/** The failures of an earlier `plimsoll scan -o json` that no waiver accepted. */
export interface Baseline {
  readonly node: { readonly id: string; readonly name: string };
  /** The worst severity of each, by fingerprint. */
  readonly severities: ReadonlyMap<string, Severity>;
}

/** Reads a baseline. */
export async function readBaseline(path: string): Promise<Parsed<Baseline>> {
  const file = await readBoundedText(path, MAX_BASELINE_BYTES);
  if (!file.ok) return { ok: false, problem: file.reason };
  let value: unknown;
  try {
    value = JSON.parse(file.text);
  } catch {
    return { ok: false, problem: 'is not JSON' };
  }
  const parsed = schema.parse(value);
  if (!parsed.ok) return { ok: false, problem: `is not a result of plimsoll scan -o json: ${parsed.problem}` };
  const severities = new Map<string, Severity>();
  for (const finding of parsed.value.findings) {
    // What a waiver accepts until a day must come back after it: a baseline has no end.
    if (finding.verdict !== 'fail' || finding.waiver !== null) continue;
    const fingerprint = fingerprintOf(finding);
    const earlier = severities.get(fingerprint);
    if (earlier === undefined || severityRank(finding.severity) < severityRank(earlier))
      severities.set(fingerprint, finding.severity);
  }
  return { ok: true, value: { node: parsed.value.node, severities } };
}

/** The ids of failures that the baseline has. One that became more severe is new; what could not be read is never known. */
export function knownFailures(baseline: Baseline | undefined, findings: readonly Finding[]): ReadonlySet<string> {
  if (baseline === undefined) return new Set();
  const known = findings.filter((finding) => {
    if (finding.verdict !== 'fail') return false;
    const earlier = baseline.severities.get(fingerprintOf(finding));
    return earlier !== undefined && severityRank(finding.severity) >= severityRank(earlier);
  });
  return new Set(known.map(({ id }) => id));
}
