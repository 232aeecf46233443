import { indexControls } from '../../posture/benchmark/benchmark.ts';
import type { ControlLookup } from '../../posture/benchmark/benchmark.ts';
import type { ControlReference, Finding } from '../../posture/finding.ts';
import type { Severity, Verdict } from '../../posture/verdict.ts';
import type { Catalog } from '../../tailoring/catalog.ts';
import { findingWaiver } from '../../policy/waiver.ts';
import type { FindingWaiver, Waiver, WaiverState, WaiverUse } from '../../policy/waiver.ts';
import { countFindings } from '../render/finding.ts';
import type { ScannedNode } from './node.ts';

/** Names the shape of the document; described by `cli/schema/scan.schema.json`. Changes only with a breaking change. */
export const SCAN_SCHEMA = 'plimsoll/scan/v1';

/** What `plimsoll scan --output json` prints. */
export interface ScanDocument {
  readonly schema: typeof SCAN_SCHEMA;
  readonly node: ScannedNode;
  readonly findings: readonly DocumentFinding[];
  readonly summary: ScanSummary;
  /** Left out where no profile was chosen. */
  readonly profile?: DocumentProfile;
  /** Left out without waivers. */
  readonly waivers?: readonly DocumentWaiverUse[];
}

/** What a waiver did. */
interface DocumentWaiverUse extends FindingWaiver {
  readonly state: WaiverState;
  readonly findings: number;
}

/** The profile of a scan, and the checks that it leaves out. */
interface DocumentProfile {
  readonly name: string;
  readonly excluded: readonly { readonly check: string; readonly reason: string }[];
}

/** One finding of the document. */
export interface DocumentFinding extends Finding {
  readonly controls: readonly ControlReference[];
  /** The baseline has this failure. */
  readonly inBaseline?: true;
  /** It is accepted. */
  readonly waiver?: FindingWaiver;
}

/** Counts over all that was judged, whatever is shown of it. */
export interface ScanSummary {
  readonly verdicts: Readonly<Record<Verdict, number>>;
  /** Failures by severity. */
  readonly failures: Readonly<Record<Severity, number>>;
  /** Running containers; null: could not be read. */
  readonly containers: number | null;
  readonly durationMs: number;
}

/** What a document is made of. */
export interface DocumentContent {
  readonly node: ScannedNode;
  readonly judged: readonly Finding[];
  /** The part of `judged` that it lists. */
  readonly shown: readonly Finding[];
  /** Ids of failures that the baseline has. */
  readonly known: ReadonlySet<string>;
  readonly durationMs: number;
  readonly catalog: Catalog;
  /** The waivers of findings, by id, and what each did. */
  readonly waived: ReadonlyMap<string, Waiver>;
  readonly uses: readonly WaiverUse[];
}

/** The document of a scan. */
export function scanDocument(content: DocumentContent): ScanDocument {
  const { node, judged, shown, known, waived, uses, durationMs, catalog } = content;
  return {
    schema: SCAN_SCHEMA,
    node,
    findings: shown.map(documentFindings({ known, waived }, indexControls(catalog.benchmarks))),
    summary: { ...countFindings(judged), containers: node.containers, durationMs: Math.round(durationMs) },
    ...(uses.length === 0 ? {} : { waivers: uses.map(documentUse) }),
    ...(catalog.profile === undefined ? {} : { profile: profileOf(catalog, catalog.profile) }),
  };
}

function waiverOf(waiver: Waiver | undefined): Pick<DocumentFinding, 'waiver'> {
  return waiver === undefined ? {} : { waiver: findingWaiver(waiver) };
}

function documentUse({ waiver, state, findings }: WaiverUse): DocumentWaiverUse {
  return { ...findingWaiver(waiver), state, findings };
}

function profileOf({ excluded }: Catalog, name: string): DocumentProfile {
  return { name, excluded: excluded.map(({ check, reason }) => ({ check: check.id, reason })) };
}

/** Turns findings into those of the document. */
function documentFindings(
  { known, waived }: Pick<DocumentContent, 'known' | 'waived'>,
  controlsOf: ControlLookup,
): (finding: Finding) => DocumentFinding {
  return ({ id, check, title, verdict, severity, subject, evidence, reason }) => ({
    id,
    check,
    title,
    verdict,
    severity,
    subject: { kind: subject.kind, id: subject.id, name: subject.name },
    evidence: evidence.map(({ source, seen, expected }) => ({ source, seen, expected })),
    controls: controlsOf(check),
    ...(reason === undefined ? {} : { reason }),
    ...(known.has(id) && { inBaseline: true as const }),
    ...waiverOf(waived.get(id)),
  });
}
