import type { RemediationEvent } from '../../store/stored-event.ts';
import type { OcsfEvent } from './ocsf-event.ts';

/*
 * OCSF 1.8 Remediation Activity (class 7001): https://schema.ocsf.io/1.8.0/classes/remediation_activity. Numbers are
 * those of its enumerations.
 */
const CLASS = 7001;
const ACTIVITY = {
  isolate: { id: 1, name: 'Isolate' },
  scaleToZero: { id: 2, name: 'Evict' },
  evict: { id: 2, name: 'Evict' },
  roll: { id: 3, name: 'Restore' },
  restore: { id: 3, name: 'Restore' },
  isolatePod: { id: 1, name: 'Isolate' },
  labelNode: { id: 4, name: 'Harden' },
  cordonNode: { id: 4, name: 'Harden' },
} as const;
/** The action is the name of the activity. */
const OTHER = 99;
const SUCCESS = { id: 1, name: 'Success' } as const;
const FAILURE = { id: 2, name: 'Failure' } as const;
const UNKNOWN = { id: 0, name: 'Unknown' } as const;
const INFORMATIONAL = { id: 1, name: 'Informational' } as const;
const MEDIUM = { id: 3, name: 'Medium' } as const;

/** A step of a remediation. `command_uid` is the same for all steps of one. */
export function toRemediationActivity({ atMs, remediation }: RemediationEvent, metadata: OcsfEvent): OcsfEvent {
  const { id, stepId, policy, action, state, note, workload, by } = remediation;
  const activity = Object.hasOwn(ACTIVITY, action)
    ? ACTIVITY[action as keyof typeof ACTIVITY]
    : { id: OTHER, name: action };
  const isFailure = state === 'failed' || state === 'rolledBack';
  const isUnknown = state === 'started' || state === 'notObserved';
  const status = isFailure ? FAILURE : isUnknown ? UNKNOWN : SUCCESS;
  const severity = isFailure || state === 'notObserved' ? MEDIUM : INFORMATIONAL;
  const place = [workload.namespace, workload.kind, workload.name].filter((part) => part !== '').join('/');
  return {
    activity_id: activity.id,
    activity_name: activity.name,
    category_uid: 7,
    category_name: 'Remediation',
    class_uid: CLASS,
    class_name: 'Remediation Activity',
    type_uid: CLASS * 100 + activity.id,
    type_name: `Remediation Activity: ${activity.name}`,
    time: atMs,
    severity_id: severity.id,
    severity: severity.name,
    status_id: status.id,
    status: status.name,
    ...(note === '' ? {} : { status_detail: note }),
    message: `${action} ${place}: ${state}`,
    command_uid: id,
    metadata: { ...metadata, log_name: 'plimsoll-remediation', correlation_uid: id },
    unmapped: { action, state, step: stepId, policy, workload, by },
  };
}
