import { createHash } from 'node:crypto';
import { isIP, isIPv6 } from 'node:net';
import type { OcsfEvent } from '../ocsf/ocsf.ts';
import { fieldsOf, plain } from './fields.ts';
import type { EventFields } from './fields.ts';

/*
 * ArcSight Common Event Format, version 0 (Implementation Standard, revision 27):
 *   CEF:0|Vendor|Product|Version|Device Event Class ID|Name|Severity|key=value key=value
 * In the header `\` and `|` are escaped, in values of the extension `\` and `=`. Line breaks and control characters are
 * visible escapes before that, so that no value breaks a line.
 */

/** Longest header fields, in characters. */
const HEADER = Object.freeze({ version: 31, classId: 1023, name: 512 });
/** Severity 0 to 10 by `severity_id` of OCSF. */
const SEVERITY = Object.freeze(['Unknown', '1', '3', '5', '8', '9', '10']);
const MAX_EXTERNAL_ID = 40;
const MAX_CUSTOM = 4000;

/** The event as one line of CEF. */
export function toCef(event: OcsfEvent): string {
  const fields = fieldsOf(event);
  const { version, message, finding, severity } = fields;
  const header = [
    'CEF:0',
    'Plimsoll',
    'Plimsoll',
    headerValue(version, HEADER.version),
    headerValue(classIdOf(fields), HEADER.classId),
    headerValue(finding.title || message || classIdOf(fields), HEADER.name),
    SEVERITY[severity] ?? 'Unknown',
  ];
  const extension = extensionOf(fields)
    .map(([key, value, maxLength]) => [key, extensionValue(value, maxLength)] as const)
    .filter(([, value]) => value !== '')
    .map(([key, value]) => `${key}=${value}`);
  return `${header.join('|')}|${extension.join(' ')}`;
}

/** The check or detection, or else the class and the activity. */
export function classIdOf({ rule, classUid, activity }: EventFields): string {
  return rule.id || `${String(classUid)}:${activity}`;
}

/** Key, value, longest value: names and lengths of the extension dictionary. */
function extensionOf(fields: EventFields): readonly (readonly [key: string, value: string, maxLength: number])[] {
  const { uid, timeMs, loggedMs, node, container, resource, vulnerability, finding, techniques } = fields;
  const { status, statusDetail, address, action, activity, user } = fields;
  const { package: name, version, fixedVersion, score } = vulnerability;
  return [
    ['rt', String(loggedMs), 20],
    ['start', String(timeMs), 20],
    ['externalId', externalId(uid), MAX_EXTERNAL_ID],
    ['deviceExternalId', node.id, 255],
    ['dvchost', node.name, 100],
    ['cat', fields.className, 1023],
    ['act', action || activity, 63],
    ['outcome', fields.compliance || status, 63],
    ['reason', statusDetail, 1023],
    ['msg', fields.message, 1023],
    [isIP(address) === 0 ? 'shost' : 'src', isIPv6(address) ? '' : address, 1023],
    ...labelled('c6a2', 'Source IPv6 Address', isIPv6(address) ? address : ''),
    ['suser', user, 1023],
    ...labelled('cs1', 'benchmark', fields.benchmark),
    ...labelled('cs2', 'control', fields.control),
    ...labelled(
      'cs3',
      'resource',
      [resource.type, resource.name || resource.id].filter((part) => part !== '').join(' '),
    ),
    ...labelled('cs4', 'container', [container.name || container.id, container.image].join(' ').trim()),
    ...labelled('cs5', 'vulnerability', vulnerabilityText({ id: vulnerability.id, name, version, fixedVersion })),
    ...labelled('cs6', 'finding', finding.uid),
    ...(score === undefined ? [] : labelled('cfp1', 'cvss', String(score))),
    ['PlimsollAttack', techniques.map(({ id }) => id).join(','), 1023],
  ];
}

function labelled(key: string, label: string, value: string): readonly (readonly [string, string, number])[] {
  if (extensionValue(value, MAX_CUSTOM) === '') return [];
  return [
    [`${key}Label`, label, 1023],
    [key, value, MAX_CUSTOM],
  ];
}

function vulnerabilityText(parts: { id: string; name: string; version: string; fixedVersion: string }): string {
  const { id, name, version, fixedVersion } = parts;
  if (id === '') return '';
  return `${id} ${name}@${version}${fixedVersion === '' ? '' : ` fixed in ${fixedVersion}`}`;
}

/** Ids of events are shorter than the limit; one that is not is hashed, since a cut one is not unique. */
function externalId(uid: string): string {
  return uid.length <= MAX_EXTERNAL_ID ? uid : createHash('sha256').update(uid).digest('hex').slice(0, MAX_EXTERNAL_ID);
}

function headerValue(value: string, maxLength: number): string {
  return plain(value, maxLength).replaceAll('\\', '\\\\').replaceAll('|', '\\|');
}

/** Spaces at the end would belong to the next key. */
function extensionValue(value: string, maxLength: number): string {
  return plain(value, maxLength).trim().replaceAll('\\', '\\\\').replaceAll('=', '\\=');
}
