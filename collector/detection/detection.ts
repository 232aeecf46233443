import type { Subject } from '../../posture/finding.ts';
import type { Evidence, Severity } from '../../posture/verdict.ts';

/** A change that someone should look at. Texts of the evidence come from the node. */
export interface Detection {
  /** Id of the rule. */
  readonly rule: string;
  readonly severity: Severity;
  readonly nodeId: string;
  readonly nodeName: string;
  readonly subject: Subject;
  /** What is new, at most {@link MAX_DETECTION_EVIDENCE} pieces. */
  readonly evidence: readonly Evidence[];
  /** One sentence. */
  readonly reason: string;
  /** The finding that shows it; empty: the collector itself sees it. */
  readonly findingUid: string;
  /** Further detections of the rule on the node that have no event of their own, since the last event. */
  readonly suppressed: number;
}

/** Pieces of evidence of a detection. */
export const MAX_DETECTION_EVIDENCE = 8;
/** Length of a text of a piece of evidence. */
export const MAX_DETECTION_TEXT = 1_024;

/** A detection in the outbox, and in the list of the API. */
export interface DetectionEvent {
  readonly position: number;
  readonly uid: string;
  readonly atMs: number;
  readonly detection: Detection;
}
