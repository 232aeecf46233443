import type { ConfigurationChange } from '../activity.ts';
import { deviceOf } from './device.ts';
import { classOf, SEVERITY } from './ocsf-event.ts';
import type { OcsfContext, OcsfEvent } from './ocsf-event.ts';

const CLASS = { uid: 5019, name: 'Device Config State Change', category: 'Discovery' } as const;
const LOG = { id: 1, name: 'Log' } as const;
const SECURE = { id: 1, name: 'Secure' } as const;
const AT_RISK = { id: 2, name: 'At Risk' } as const;
const COMPLIANCE_FAILURE = { state_id: 23, state: 'Compliance failure' } as const;

/**
 * A setting that passed and fails now, or the other way round, as OCSF 1.8 Device Config State Change:
 * https://schema.ocsf.io/1.8.0/classes/device_config_state_change. The security level is that of the setting, not of the
 * whole node.
 */
export function toConfigurationChange(
  activity: ConfigurationChange,
  { atMs, metadata, node }: { readonly atMs: number; readonly metadata: OcsfEvent } & Pick<OcsfContext, 'node'>,
): OcsfEvent {
  const { check, title, subjectKind, subjectId, subjectName, severity, previous, verdict, nodeName } = activity;
  const isWorse = verdict === 'fail';
  const { id, name } = isWorse ? SEVERITY[severity] : SEVERITY.info;
  const [before, after] = isWorse ? [SECURE, AT_RISK] : [AT_RISK, SECURE];
  const [statesBefore, statesAfter] = isWorse ? [[], [COMPLIANCE_FAILURE]] : [[COMPLIANCE_FAILURE], []];
  return {
    ...classOf(CLASS, LOG, atMs),
    severity_id: id,
    severity: name,
    message: `${check} ${previous} to ${verdict} on ${nodeName}: ${subjectKind} ${subjectName}`,
    metadata: { ...metadata, log_name: 'plimsoll-configuration', event_code: check },
    device: deviceOf(activity, node(activity.nodeId)),
    prev_security_level_id: before.id,
    prev_security_level: before.name,
    security_level_id: after.id,
    security_level: after.name,
    prev_security_states: statesBefore,
    security_states: statesAfter,
    state_id: isWorse ? 1 : 2,
    state: isWorse ? 'Disabled' : 'Enabled',
    unmapped: {
      check,
      title,
      verdict,
      previous_verdict: previous,
      subject: { kind: subjectKind, uid: subjectId, name: subjectName },
    },
  };
}
