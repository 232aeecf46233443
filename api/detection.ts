import * as s from '../posture/schema.ts';
import { SUBJECT_KINDS } from '../posture/finding.ts';
import { SEVERITIES } from '../posture/verdict.ts';
import { count, time } from './part.ts';

/** A change of the fleet that someone should look at. */
export const detection = s.object({
  id: s.string('of the event: `metadata.uid`', 64),
  atMs: time('when the collector detected it'),
  rule: s.string('id of the rule', 64),
  title: s.string('of the rule', 256),
  technique: s.string('technique of MITRE ATT&CK, such as `T1611`; empty: a rule of another version', 32),
  severity: s.oneOf(SEVERITIES),
  nodeId: s.string('', 512),
  nodeName: s.string('', 512),
  subject: s.object({ kind: s.oneOf(SUBJECT_KINDS), id: s.string('', 4096), name: s.string('', 4096) }),
  reason: s.string('', 1024),
  evidence: s.list(
    s.object({ source: s.string('', 1024), seen: s.string('', 1024), expected: s.string('', 1024) }),
    'what is new',
    8,
  ),
  findingUid: s.string('the finding that shows it; empty: the collector itself saw it', 64),
  suppressed: count('further detections of the rule on the node without an entry of their own'),
});
/** See {@link detection}. */
export type DetectionInfo = s.Infer<typeof detection>;

/** Detections, newest first. */
export const detectionList = s.object({
  detections: s.list(detection, '', 1_000),
  cursor: s.nullable(s.string('continues the list; absent: this is the end', 64)),
});
