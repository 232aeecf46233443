import { createHash } from 'node:crypto';
import type { OcsfEvent } from '../ocsf/ocsf.ts';
import { classIdOf } from './cef.ts';
import { fieldsOf, plain } from './fields.ts';

/*
 * The JSON of Falco's outputs, as Falcosidekick takes it: https://falco.org/docs/concepts/outputs/formatting/. Values of
 * `output_fields` are texts and numbers, and there is at least one.
 */

/** Priorities by `severity_id` of OCSF. */
const PRIORITY = Object.freeze(['Notice', 'Informational', 'Notice', 'Warning', 'Error', 'Critical', 'Emergency']);
const MAX_OUTPUT = 4096;

/** The event as an output of Falco. `uuid` is made of the id of the event, so it is the same when it is sent again. */
export function toFalco(event: OcsfEvent): Readonly<Record<string, unknown>> {
  const fields = fieldsOf(event);
  const { uid, node, container, resource, vulnerability, finding, techniques } = fields;
  const named: Readonly<Record<string, string>> = {
    'container.id': container.id,
    'container.name': container.name,
    'container.image.repository': container.image,
    'user.name': fields.user,
    'fd.sip': fields.address,
    'plimsoll.finding': finding.uid,
    'plimsoll.status': fields.compliance || fields.status,
    'plimsoll.reason': fields.statusDetail,
    'plimsoll.subject.type': resource.type,
    'plimsoll.subject.name': resource.name || resource.id,
    'plimsoll.control': fields.control,
    'plimsoll.vulnerability': vulnerability.id,
    'plimsoll.package': vulnerability.package,
    'plimsoll.package.version': vulnerability.version,
    'plimsoll.package.fixed': vulnerability.fixedVersion,
    'plimsoll.node': node.id,
  };
  return {
    uuid: uuidOf(uid),
    output: plain(`${fields.severityName} ${fields.message}`.trim(), MAX_OUTPUT),
    priority: PRIORITY[fields.severity] ?? 'Notice',
    rule: plain(fields.rule.name || finding.title || classIdOf(fields), MAX_OUTPUT),
    time: new Date(fields.timeMs).toISOString(),
    output_fields: {
      'plimsoll.event': uid,
      'plimsoll.class': fields.classUid,
      'plimsoll.activity': fields.activity,
      ...Object.fromEntries(Object.entries(named).filter(([, value]) => value !== '')),
    },
    source: 'plimsoll',
    tags: ['plimsoll', ...techniques.map(({ id }) => id)].filter((tag) => tag !== ''),
    hostname: node.name || 'plimsoll-collector',
  };
}

/** RFC 9562, version 8: 122 bits of a hash. */
function uuidOf(uid: string): string {
  const hex = createHash('sha256').update(uid).digest('hex');
  const variant = ((Number.parseInt(hex.charAt(16), 16) & 3) | 8).toString(16);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}
