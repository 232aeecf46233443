import type { OcsfEvent } from '../ocsf/ocsf.ts';
import { fieldsOf, plain } from './fields.ts';

/*
 * CloudEvents 1.0.2, structured JSON: https://github.com/cloudevents/spec. Attributes are texts without control characters
 * and halves of surrogate pairs; `data` is the OCSF event.
 */

/** Names of classes that are not their captions in lower case. */
const CLASS_NAMES: Readonly<Record<number, string>> = {
  5001: 'inventory_info',
  5020: 'software_info',
  5040: 'evidence_info',
};
const SOURCE = '/plimsoll/collector';
const MAX_SUBJECT = 512;

/** The event as a CloudEvent. `source` and `id` together identify it. */
export function toCloudEvent(event: OcsfEvent): Readonly<Record<string, unknown>> {
  const { uid, timeMs, classUid, className, activity, node, resource } = fieldsOf(event);
  const subject = [node.name, resource.type, resource.name || resource.id].filter((part) => part !== '').join('/');
  const name = className.toLowerCase().replaceAll(' ', '_');
  return {
    specversion: '1.0',
    id: uid,
    source: SOURCE,
    type: `plimsoll.${name}.${activity.toLowerCase().replaceAll(' ', '_')}`,
    time: new Date(timeMs).toISOString(),
    ...(subject !== '' && { subject: plain(subject, MAX_SUBJECT) }),
    datacontenttype: 'application/json',
    dataschema: `https://schema.ocsf.io/1.8.0/classes/${CLASS_NAMES[classUid] ?? name}`,
    data: event,
  };
}
