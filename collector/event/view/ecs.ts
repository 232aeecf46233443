import { isIP } from 'node:net';
import type { OcsfEvent } from '../ocsf/ocsf.ts';
import { fieldsOf } from './fields.ts';
import type { EventFields } from './fields.ts';

/*
 * Elastic Common Schema 9: https://www.elastic.co/docs/reference/ecs. The OCSF event is beside it, as `ocsf`. Allowed
 * values of event.kind, event.category and event.type are closed lists.
 */

const VERSION = '9.4.0';

interface Categories {
  readonly kind: 'alert' | 'asset' | 'event' | 'state';
  readonly category: readonly string[];
  readonly type: readonly string[];
}

const CATEGORIES: Readonly<Record<number, Categories>> = {
  2002: { kind: 'state', category: ['vulnerability'], type: ['info'] },
  2003: { kind: 'state', category: ['configuration', 'host'], type: ['info'] },
  2004: { kind: 'alert', category: ['intrusion_detection'], type: ['info'] },
  5001: { kind: 'asset', category: ['host'], type: ['info'] },
  5019: { kind: 'event', category: ['configuration'], type: ['change'] },
  5020: { kind: 'asset', category: ['package'], type: ['info'] },
  5040: { kind: 'event', category: ['host'], type: ['info'] },
  6002: { kind: 'event', category: ['host'], type: ['change'] },
  6003: { kind: 'event', category: ['api'], type: ['access'] },
  6007: { kind: 'event', category: ['host'], type: ['info'] },
  7001: { kind: 'event', category: ['configuration'], type: ['change'] },
};
const OTHER: Categories = { kind: 'event', category: ['host'], type: ['info'] };

const OUTCOME: Readonly<Record<string, 'success' | 'failure'>> = {
  Pass: 'success',
  Fail: 'failure',
  Success: 'success',
  Failure: 'failure',
};

/** The event as a document of ECS. */
export function toEcs(event: OcsfEvent): Readonly<Record<string, unknown>> {
  const fields = fieldsOf(event);
  const { rule, finding, node, container, resource, vulnerability, user, address, techniques } = fields;
  return compact({
    '@timestamp': new Date(fields.timeMs).toISOString(),
    ecs: { version: VERSION },
    message: fields.message,
    event: eventOf(fields),
    rule: { id: rule.id, name: rule.name, ruleset: fields.benchmark, uuid: finding.uid },
    host: {
      id: node.id,
      name: node.name,
      hostname: node.name,
      os: node.os === '' ? {} : { type: 'linux', full: node.os, kernel: node.kernel },
    },
    container: {
      id: container.id,
      name: container.name,
      runtime: container.runtime,
      image: { name: container.image },
    },
    user: { name: user },
    source: isIP(address) === 0 ? {} : { ip: address },
    vulnerability: {
      id: vulnerability.id,
      ...(vulnerability.id !== '' && { severity: fields.severityName, scanner: { vendor: 'Plimsoll' } }),
      score: { base: vulnerability.score },
    },
    package: { name: vulnerability.package, version: vulnerability.version },
    threat:
      techniques.length === 0
        ? {}
        : {
            framework: 'MITRE ATT&CK',
            tactic: { name: techniques.map(({ tactic }) => tactic) },
            technique: { id: techniques.map(({ id }) => id), name: techniques.map(({ name }) => name) },
          },
    observer: { vendor: 'Plimsoll', product: 'Plimsoll', type: 'posture', version: fields.version },
    related: { hosts: node.name === '' ? [] : [node.name] },
    // `rule.reference` is a URL by its definition, so the control of the benchmark is a label.
    labels: { control: fields.control, subject_type: resource.type, subject_name: resource.name || resource.id },
    ocsf: event,
  });
}

function eventOf(fields: EventFields): Readonly<Record<string, unknown>> {
  const { classUid, className, activity, action, compliance, status } = fields;
  const { kind, category, type } = CATEGORIES[classUid] ?? OTHER;
  const blocked = action === 'Denied' ? ['denied'] : action === 'Allowed' ? ['allowed'] : [];
  const hasOutcome = compliance !== '' || classUid >= 6000;
  return {
    kind,
    category,
    // `denied` and `allowed` are types of the category intrusion_detection.
    type: [...type, ...blocked],
    outcome: hasOutcome ? (OUTCOME[compliance || status] ?? 'unknown') : '',
    action: `${className} ${activity}`.trim().toLowerCase().replaceAll(' ', '-'),
    dataset: 'plimsoll.events',
    module: 'plimsoll',
    provider: 'plimsoll',
    id: fields.uid,
    severity: fields.severity,
    created: new Date(fields.loggedMs).toISOString(),
    reason: fields.statusDetail,
  };
}

/** Without what is empty: empty texts, lists and objects, and what is undefined. `ocsf` stays as it is. */
function compact(value: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const entries = Object.entries(value).flatMap(([key, inner]): readonly (readonly [string, unknown])[] => {
    if (inner === '' || inner === undefined || (Array.isArray(inner) && inner.length === 0)) return [];
    if (typeof inner !== 'object' || inner === null || Array.isArray(inner) || key === 'ocsf') return [[key, inner]];
    const kept = compact(inner as Readonly<Record<string, unknown>>);
    return Object.keys(kept).length === 0 ? [] : [[key, kept]];
  });
  return Object.fromEntries(entries);
}
