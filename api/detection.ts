import * as s from '../posture/schema.ts';
import { SUBJECT_KINDS } from '../posture/finding.ts';
import { SEVERITIES } from '../posture/verdict.ts';
import { count, time } from './part.ts';

/** Titles of all rules by their ids, sorted by id. */
export const DETECTION_TITLES = Object.freeze({
  'agent-silent': 'Agent is silent',
  'certificate-expired': 'Certificate has expired',
  'docker-certificate-expired': 'Certificate of the Docker port has expired',
  'docker-port-opened': 'Docker listens on a TCP port',
  'lsm-disabled': 'No security module confines root',
  'lsm-permissive': 'SELinux was switched to permissive',
  'privileged-container': 'Privileged container started',
  'root-group-member-added': 'Account was added to a group that amounts to root',
  'runtime-socket-mounted': 'Container reaches the socket of a container engine',
  'seccomp-disabled': 'Container runs without a seccomp filter',
  'ssh-key-added': 'SSH key was added to an account',
  'ssh-session': 'SSH session was opened',
} as const);
/** Id of a rule. */
export type DetectionRuleId = keyof typeof DETECTION_TITLES;
/** All of them, sorted. */
export const DETECTION_RULE_IDS = Object.freeze(Object.keys(DETECTION_TITLES)) as readonly DetectionRuleId[];

/** A change of the fleet that someone should look at. */
export const detection = s.object({
  id: s.string('of the event: `metadata.uid`', 64),
  atMs: time('when the collector detected it'),
  rule: s.string('id of the rule', 64),
  title: s.string('of the rule', 256),
  check: s.withDefault(s.string('the check whose finding tells; empty: none', 256), ''),
  technique: s.string('technique of MITRE ATT&CK, such as `T1611`; empty: a rule of another version', 32),
  techniqueName: s.withDefault(s.string('its name; empty: a rule of another version', 128), ''),
  tactic: s.withDefault(s.string('the tactic that it serves, such as `Persistence`', 64), ''),
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
