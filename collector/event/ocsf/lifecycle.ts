import type { LifecycleChange } from '../activity.ts';
import { deviceOf } from './device.ts';
import { classOf, severityOf } from './ocsf-event.ts';
import type { OcsfContext, OcsfEvent } from './ocsf-event.ts';

const CLASS = { uid: 6002, name: 'Application Lifecycle', category: 'Application Activity' } as const;
const ACTIVITY = {
  install: { id: 1, name: 'Install' },
  remove: { id: 2, name: 'Remove' },
  start: { id: 3, name: 'Start' },
  stop: { id: 4, name: 'Stop' },
  update: { id: 8, name: 'Update' },
} as const satisfies Record<LifecycleChange['change'], unknown>;

/**
 * A collector or an agent that started, stopped or changed, as OCSF 1.8 Application Lifecycle:
 * https://schema.ocsf.io/1.8.0/classes/application_lifecycle
 */
export function toLifecycle(
  activity: LifecycleChange,
  { atMs, metadata, node }: { readonly atMs: number; readonly metadata: OcsfEvent } & Pick<OcsfContext, 'node'>,
): OcsfEvent {
  const { change, program, version, previousVersion, node: on } = activity;
  const where = on === undefined ? '' : ` on ${on.nodeName}`;
  return {
    ...classOf(CLASS, ACTIVITY[change], atMs),
    ...severityOf('info'),
    status_id: 1,
    status: 'Success',
    message: `${program} ${version}: ${change}${where}`,
    metadata: { ...metadata, log_name: 'plimsoll-lifecycle', ...(on && { profiles: ['host'] }) },
    app: { name: program, vendor_name: 'Plimsoll', version },
    ...(on && { device: deviceOf(on, node(on.nodeId)) }),
    ...(previousVersion !== undefined && { unmapped: { previous_version: previousVersion } }),
  };
}
