import { DYN, parseType } from '../posture/query/type.ts';
import type { CelType } from '../posture/query/type.ts';

/*
 * The attributes of the OCSF events that a collector writes, of all classes together, as docs/events.md shows them. A
 * leaf is the name of a CEL type, or the only texts that the attribute can be.
 */

/** An attribute: a type of CEL, the texts that it can be, an object, or a list with items of one shape. */
type Attribute = string | readonly [Attribute] | Words | { readonly [name: string]: Attribute };

interface Words {
  readonly words: readonly string[];
}

const SEVERITIES: Words = {
  words: ['Unknown', 'Informational', 'Low', 'Medium', 'High', 'Critical', 'Fatal', 'Other'],
};
const OS = { type_id: 'int', type: 'string', name: 'string', kernel_release: 'string' } as const;
const ACTOR = { app_name: 'string', app_uid: 'string', user: { uid: 'string', name: 'string' } } as const;
const API = {
  operation: 'string',
  service: { name: 'string', uid: 'string' },
  request: { uid: 'string', data: 'dyn' },
  response: { code: 'int' },
} as const;
const CONTAINER = {
  uid: 'string',
  name: 'string',
  runtime: 'string',
  image: { uid: 'string', name: 'string' },
} as const;
const NAMED = { uid: 'string', name: 'string' } as const;
const STATE = { state_id: 'int', state: 'string' } as const;

const EVENT = {
  activity_id: 'int',
  activity_name: 'string',
  category_uid: 'int',
  category_name: 'string',
  class_uid: 'int',
  class_name: {
    words: [
      'Compliance Finding',
      'Vulnerability Finding',
      'Detection Finding',
      'Device Inventory Info',
      'Software Inventory Info',
      'Device Config State Change',
      'Live Evidence Info',
      'Application Lifecycle',
      'API Activity',
      'Scan Activity',
      'Application Error',
      'Remediation Activity',
    ],
  },
  type_uid: 'int',
  type_name: 'string',
  time: 'int',
  severity_id: 'int',
  severity: SEVERITIES,
  status_id: 'int',
  status: { words: ['Unknown', 'New', 'In Progress', 'Suppressed', 'Resolved', 'Success', 'Failure', 'Other'] },
  status_code: 'string',
  status_detail: 'string',
  message: 'string',
  count: 'int',
  duration: 'int',
  is_alert: 'bool',
  action_id: 'int',
  action: 'string',
  disposition_id: 'int',
  disposition: 'string',
  metadata: {
    version: 'string',
    uid: 'string',
    sequence: 'int',
    log_name: 'string',
    logged_time: 'int',
    event_code: 'string',
    correlation_uid: 'string',
    profiles: ['string'],
    product: { uid: 'string', name: 'string', vendor_name: 'string', version: 'string' },
  },
  finding_info: {
    uid: 'string',
    title: 'string',
    desc: 'string',
    types: ['string'],
    created_time: 'int',
    first_seen_time: 'int',
    last_seen_time: 'int',
    modified_time: 'int',
    data_sources: ['string'],
    analytic: { uid: 'string', name: 'string', type_id: 'int', type: 'string' },
    attacks: [{ tactic: NAMED, technique: NAMED, sub_technique: NAMED, version: 'string' }],
  },
  compliance: {
    control: 'string',
    standards: ['string'],
    requirements: ['string'],
    status_id: 'int',
    status: { words: ['Unknown', 'Pass', 'Warning', 'Fail', 'Not Applicable'] },
    status_details: ['string'],
  },
  remediation: { desc: 'string', references: ['string'] },
  evidences: [{ name: 'string', data: 'dyn', container: CONTAINER, actor: ACTOR, api: API }],
  vulnerabilities: [
    {
      cve: {
        uid: 'string',
        created_time: 'int',
        modified_time: 'int',
        cvss: [{ version: 'string', base_score: 'double', vector_string: 'string' }],
        epss: { score: 'string', percentile: 'double' },
      },
      advisory: { uid: 'string', created_time: 'int', modified_time: 'int' },
      title: 'string',
      severity: SEVERITIES,
      first_seen_time: 'int',
      is_exploit_available: 'bool',
      is_fix_available: 'bool',
      related_vulnerabilities: ['string'],
      affected_packages: [
        {
          name: 'string',
          version: 'string',
          package_manager: 'string',
          architecture: 'string',
          vendor_name: 'string',
          fixed_in_version: 'string',
        },
      ],
    },
  ],
  device: {
    type_id: 'int',
    type: 'string',
    uid: 'string',
    name: 'string',
    hostname: 'string',
    os: OS,
    agent_list: [{ name: 'string', uid: 'string', type_id: 'int', type: 'string', version: 'string' }],
  },
  resources: [
    {
      uid: 'string',
      name: 'string',
      namespace: 'string',
      type: 'string',
      role_id: 'int',
      role: 'string',
      labels: ['string'],
    },
  ],
  policy: { name: 'string', is_applied: 'bool' },
  actor: ACTOR,
  api: API,
  src_endpoint: { ip: 'string', name: 'string' },
  app: { name: 'string', vendor_name: 'string', version: 'string' },
  sbom: {
    uid: 'string',
    package: { name: 'string', version: 'string' },
    software_components: [{ name: 'string', version: 'string' }],
  },
  prev_security_level_id: 'int',
  prev_security_level: 'string',
  security_level_id: 'int',
  security_level: 'string',
  prev_security_states: [STATE],
  security_states: [STATE],
  ...STATE,
  scan: { uid: 'string', name: 'string', type_id: 'int', type: 'string' },
  total: 'int',
  num_detections: 'int',
  num_skipped_items: 'int',
  query_info: {
    uid: 'string',
    name: 'string',
    query_string: 'string',
    query_time: 'int',
    data: 'dyn',
    bytes: 'int',
  },
  query_result_id: 'int',
  query_result: 'string',
  query_evidence: { query_type_id: 'int', query_type: 'string', service: { name: 'string', uid: 'string' } },
  command_uid: 'string',
  unmapped: 'map<string, dyn>',
} as const satisfies Readonly<Record<string, Attribute>>;

/** The type of an event: an object with the attributes of every class. An attribute that none of these classes has is not a field. */
export function eventType(): CelType {
  return typeOf(EVENT, 'event');
}

function typeOf(attribute: Attribute, path: string): CelType {
  if (attribute === 'dyn') return DYN;
  if (typeof attribute === 'string') return parseType(attribute);
  if (isList(attribute)) return { kind: 'list', item: typeOf(attribute[0], `${path}[]`) };
  if (isWords(attribute)) return { kind: 'string', words: attribute.words };
  const fields = Object.entries(attribute).map(([name, inner]) => [name, typeOf(inner, `${path}.${name}`)] as const);
  return { kind: 'object', path, fields: new Map(fields) };
}

function isList(attribute: Exclude<Attribute, string>): attribute is readonly [Attribute] {
  return Array.isArray(attribute);
}

function isWords(attribute: Exclude<Attribute, string | readonly [Attribute]>): attribute is Words {
  return Array.isArray(attribute['words']);
}
