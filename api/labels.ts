import type { SubjectKind } from '../posture/finding.ts';
import type { Severity, Verdict } from '../posture/verdict.ts';
import type { NodeState } from './node.ts';

/** What people read for each verdict. */
export const VERDICT_LABELS = Object.freeze({
  fail: 'failed',
  unknown: 'unknown',
  manual: 'manual',
  pass: 'passed',
  notApplicable: 'not applicable',
} satisfies Record<Verdict, string>);

/** One sentence for each verdict. */
export const VERDICT_MEANINGS = Object.freeze({
  fail: 'Check failed.',
  unknown: 'Could not be read, so nothing is claimed.',
  manual: 'Needs manual review.',
  pass: 'Check passed.',
  notApplicable: 'Not applicable to this subject.',
} satisfies Record<Verdict, string>);

/** What people read for each severity. */
export const SEVERITY_LABELS = Object.freeze({
  critical: 'critical',
  high: 'high',
  medium: 'medium',
  low: 'low',
  info: 'info',
} satisfies Record<Severity, string>);

/** What people read for the presence of a node. */
export function presenceLabel(presence: NodeState['presence']): string {
  return presence === 'neverEnrolled' ? 'never enrolled' : presence;
}

/** What people read for each kind of subject. */
export const SUBJECT_LABELS = Object.freeze({
  node: 'node',
  daemon: 'daemon',
  container: 'container',
  image: 'image',
  file: 'file',
  listener: 'port',
} satisfies Record<SubjectKind, string>);

/** What people read for what happened to a finding. `waiver`: what accepts it after that. */
export function changeLabel({
  action,
  waiver,
}: {
  readonly action: 'opened' | 'changed' | 'resolved';
  readonly waiver: object | null;
}): string {
  return waiver !== null && action !== 'resolved' ? 'waived' : action;
}
