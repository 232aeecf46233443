import type { SubjectKind } from '../posture/finding.ts';
import type { Severity, Verdict } from '../posture/verdict.ts';

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
  fail: 'It is not as it should be.',
  unknown: 'It could not be looked at, so nothing is claimed.',
  manual: 'A person must decide.',
  pass: 'It is as it should be.',
  notApplicable: 'The question does not arise here.',
} satisfies Record<Verdict, string>);

/** What people read for each severity. */
export const SEVERITY_LABELS = Object.freeze({
  critical: 'critical',
  high: 'high',
  medium: 'medium',
  low: 'low',
  info: 'info',
} satisfies Record<Severity, string>);

/** What people read for each kind of subject. */
export const SUBJECT_LABELS = Object.freeze({
  node: 'node',
  daemon: 'daemon',
  container: 'container',
  image: 'image',
  file: 'file',
  listener: 'port',
} satisfies Record<SubjectKind, string>);

/** What people read for what happened to a finding. */
export const ACTION_LABELS = Object.freeze({
  opened: 'opened',
  changed: 'changed',
  resolved: 'resolved',
} satisfies Record<'opened' | 'changed' | 'resolved', string>);
