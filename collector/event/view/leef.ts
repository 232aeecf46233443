import { isIP } from 'node:net';
import type { OcsfEvent } from '../ocsf/ocsf.ts';
import { classIdOf } from './cef.ts';
import { fieldsOf, plain } from './fields.ts';

/*
 * IBM QRadar Log Event Extended Format 2.0:
 *   LEEF:2.0|Vendor|Product|Version|EventID|Delimiter|key=value<TAB>key=value
 * The format has no escapes. Tabs, line breaks and control characters in values are visible escapes, so that none of them
 * is left; a `|` in a header field becomes `/`.
 */

const MAX_EVENT_ID = 255;
const MAX_NAME = 255;
const MAX_VALUE = 4000;
/** `sev` 1 to 10 by `severity_id` of OCSF. */
const SEVERITY = Object.freeze(['1', '1', '3', '5', '8', '9', '10']);

/** The event as one line of LEEF. */
export function toLeef(event: OcsfEvent): string {
  const fields = fieldsOf(event);
  const { node, resource, vulnerability, finding, address } = fields;
  const header = [
    'LEEF:2.0',
    'Plimsoll',
    'Plimsoll',
    headerValue(fields.version, MAX_EVENT_ID),
    headerValue(classIdOf(fields), MAX_EVENT_ID),
    'x09',
  ];
  const attributes: readonly (readonly [key: string, value: string, maxLength?: number])[] = [
    // Milliseconds since 1970, which need no devTimeFormat.
    ['devTime', String(fields.timeMs)],
    ['sev', SEVERITY[fields.severity] ?? '1'],
    ['cat', fields.className],
    ['identHostName', node.name, MAX_NAME],
    [isIP(address) === 0 ? 'srcName' : 'src', address],
    ['usrName', fields.user, MAX_NAME],
    ['policy', fields.benchmark],
    ['resource', resource.name || resource.id],
    ['eventId', fields.uid],
    ['nodeId', node.id],
    ['activity', fields.activity],
    ['action', fields.action],
    ['status', fields.compliance || fields.status],
    ['reason', fields.statusDetail],
    ['msg', fields.message],
    ['findingId', finding.uid],
    ['control', fields.control],
    ['resourceType', resource.type],
    ['container', fields.container.name || fields.container.id],
    ['image', fields.container.image],
    ['vulnerability', vulnerability.id],
    ['package', vulnerability.package],
    ['packageVersion', vulnerability.version],
    ['fixedVersion', vulnerability.fixedVersion],
    ['attack', fields.techniques.map(({ id }) => id).join(',')],
  ];
  const text = attributes
    .filter(([, value]) => value !== '')
    .map(([key, value, maxLength = MAX_VALUE]) => `${key}=${plain(value, maxLength)}`);
  return `${header.join('|')}|${text.join('\t')}`;
}

function headerValue(value: string, maxLength: number): string {
  return plain(value, maxLength).replaceAll('|', '/');
}
