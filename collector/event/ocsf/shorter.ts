import { safeJson } from '../../../api/safe.ts';
import { isFindingEvent, isVulnerabilityEvent } from '../../store/stored-event.ts';
import type { StoredEvent } from '../../store/stored-event.ts';
import type { OcsfEvent } from './ocsf.ts';

/** The OCSF event of an event, and then the same in fewer and fewer bytes. */
export function* versionsOf(event: StoredEvent, ocsf: OcsfEvent): Generator<OcsfEvent, void> {
  yield ocsf;
  if (isVulnerabilityEvent(event)) yield* shorterVulnerabilities(ocsf);
  else if (isFindingEvent(event)) yield* shorterVersions(ocsf);
  else yield* shorterActivities(ocsf);
}

/**
 * An event in fewer and fewer bytes, each version a valid OCSF event of its own: first without what its check id leads
 * to, then with shorter and fewer evidences, at last what it is about and how it was judged. `metadata.is_truncated`
 * says so; `untruncated_size` is in KiB, as OCSF has it. Uids stay whole: they lead to the finding.
 */
export function* shorterVersions(event: OcsfEvent): Generator<OcsfEvent, void> {
  const marked = {
    ...event,
    metadata: {
      ...objectAt(event, 'metadata'),
      is_truncated: true,
      untruncated_size: Math.ceil(Buffer.byteLength(safeJson(event)) / 1024),
    },
  };
  const withoutText = {
    ...without(marked, 'remediation'),
    finding_info: without(objectAt(event, 'finding_info'), 'desc'),
  };
  yield withoutText;
  for (const limits of EVIDENCE_LIMITS) yield withEvidence(withoutText, limits);
  yield summary(marked);
}

/** A Vulnerability Finding in fewer and fewer bytes: with fewer resources, then without them and with short texts. */
export function* shorterVulnerabilities(event: OcsfEvent): Generator<OcsfEvent, void> {
  const marked = {
    ...event,
    metadata: {
      ...objectAt(event, 'metadata'),
      is_truncated: true,
      untruncated_size: Math.ceil(Buffer.byteLength(safeJson(event)) / 1024),
    },
    finding_info: without(objectAt(event, 'finding_info'), 'desc'),
  };
  const resources: unknown = event['resources'];
  for (const kept of [16, 4])
    yield { ...marked, ...(Array.isArray(resources) && { resources: resources.slice(0, kept) }) };
  yield shorten(vulnerabilitySummary(marked), SUMMARY_TEXT_BYTES) as OcsfEvent;
}

/** Any other event in fewer and fewer bytes: with shorter lists and texts, then without data. */
function* shorterActivities(event: OcsfEvent): Generator<OcsfEvent, void> {
  const metadata = {
    ...objectAt(event, 'metadata'),
    is_truncated: true,
    untruncated_size: Math.ceil(Buffer.byteLength(safeJson(event)) / 1024),
  };
  for (const { items, bytes } of ACTIVITY_LIMITS)
    yield { ...(limited(without(event, 'metadata'), items, bytes) as OcsfEvent), metadata };
  const kept = without(event, 'metadata', 'unmapped', 'type_name', 'category_name');
  const small = withoutData(limited(kept, 0, SUMMARY_TEXT_BYTES)) as OcsfEvent;
  const finding = without(objectAt(small, 'finding_info'), 'desc');
  yield {
    ...small,
    ...(small['finding_info'] !== undefined && { finding_info: finding }),
    metadata: without(metadata, 'log_name', 'logged_time'),
  };
}

const ACTIVITY_LIMITS = Object.freeze([
  { items: 50, bytes: 1024 },
  { items: 5, bytes: 256 },
]);

/** A copy with lists and texts of limited length. */
function limited(value: unknown, items: number, bytes: number): unknown {
  if (typeof value === 'string') return cut(value, bytes);
  if (Array.isArray(value)) return value.slice(0, items).map((item) => limited(item, items, bytes));
  if (!isObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, limited(item, items, bytes)]));
}

/** A copy without attributes called `data`, which can be anything. */
function withoutData(value: unknown): unknown {
  if (!isObject(value)) return value;
  const kept = Object.entries(value).filter(([key]) => key !== 'data');
  return Object.fromEntries(kept.map(([key, item]) => [key, withoutData(item)]));
}

/** What the event is about and how bad it is. */
function vulnerabilitySummary(event: OcsfEvent): OcsfEvent {
  const list: unknown = event['vulnerabilities'];
  return {
    ...pick(event, [...HEAD, 'message']),
    metadata: without(objectAt(event, 'metadata'), 'log_name', 'logged_time', 'profiles'),
    finding_info: pick(objectAt(event, 'finding_info'), ['uid', 'title']),
    vulnerabilities: (Array.isArray(list) ? list.filter(isObject) : []).map((one) =>
      Object.assign(
        isObject(one['cve'])
          ? { cve: pick(one['cve'], ['uid']) }
          : { advisory: pick(objectAt(one, 'advisory'), ['uid']) },
        pick(one, ['severity', 'affected_packages']),
      ),
    ),
  };
}

/** Package names have at most 512 characters; uids and ids are shorter than this. */
const SUMMARY_TEXT_BYTES = 128;

interface EvidenceLimits {
  readonly evidences: number;
  /** Of each text, in bytes as JSON. */
  readonly bytes: number;
}

const EVIDENCE_LIMITS: readonly EvidenceLimits[] = Object.freeze([
  { evidences: 50, bytes: 1024 },
  { evidences: 10, bytes: 256 },
  { evidences: 3, bytes: 96 },
]);

/** Fields that hold text from the node, beside the evidences. */
const TEXTS = ['message', 'status_detail'] as const;

function withEvidence(event: OcsfEvent, { evidences, bytes }: EvidenceLimits): OcsfEvent {
  const list: unknown = event['evidences'];
  const texts = TEXTS.filter((name) => event[name] !== undefined).map((name) => [name, shorten(event[name], bytes)]);
  return {
    ...event,
    ...(Object.fromEntries(texts) as OcsfEvent),
    ...(Array.isArray(list) && { evidences: list.slice(0, evidences).map((one) => shorten(one, bytes)) }),
    finding_info: { ...without(objectAt(event, 'finding_info'), 'data_sources'), title: titleOf(event, bytes) },
    compliance: shorten(objectAt(event, 'compliance'), bytes),
    device: shorten(objectAt(event, 'device'), Math.max(bytes, MAX_UID_BYTES)),
    resources: resourcesOf(event, Math.max(bytes, MAX_UID_BYTES)),
  };
}

/** Uids are not shortened below this. */
const MAX_UID_BYTES = 256;
const SUMMARY_BYTES = 64;
/** What a summary keeps as it is. */
const HEAD = Object.freeze([
  'activity_id',
  'category_uid',
  'class_uid',
  'type_uid',
  'time',
  'severity_id',
  'severity',
  'status_id',
  'status',
  'unmapped',
]);

function summary(event: OcsfEvent): OcsfEvent {
  const finding = objectAt(event, 'finding_info');
  return {
    ...pick(event, HEAD),
    metadata: without(objectAt(event, 'metadata'), 'log_name', 'logged_time', 'profiles'),
    finding_info: {
      uid: finding['uid'],
      title: titleOf(event, SUMMARY_BYTES),
      analytic: pick(objectAt(finding, 'analytic'), ['uid', 'type_id']),
    },
    compliance: shorten(pick(objectAt(event, 'compliance'), ['control', 'status_id', 'status']), SUMMARY_BYTES),
    device: shorten(pick(objectAt(event, 'device'), ['type_id', 'uid', 'name']), SUMMARY_BYTES),
    resources: resourcesOf(event, SUMMARY_BYTES),
  };
}

function titleOf(event: OcsfEvent, bytes: number): unknown {
  return shorten(objectAt(event, 'finding_info')['title'], bytes);
}

function resourcesOf(event: OcsfEvent, bytes: number): unknown {
  const list: unknown = event['resources'];
  return Array.isArray(list) ? list.filter(isObject).map((resource) => shortResource(resource, bytes)) : undefined;
}

/** A uid that would have to be cut names something else, so it goes; the name is there to find the resource by. */
function shortResource(resource: OcsfEvent, bytes: number): OcsfEvent {
  const uid = resource['uid'];
  const fits = typeof uid === 'string' && sizeOf(uid) <= bytes;
  const name = resource['name'] ?? (fits ? undefined : uid);
  return {
    ...(fits && { uid }),
    ...(name !== undefined && { name: shorten(name, bytes) }),
    ...pick(resource, ['type', 'role_id', 'role']),
  };
}

/** A copy whose strings have at most this number of bytes as JSON; what is cut ends in an ellipsis. */
function shorten(value: unknown, bytes: number): unknown {
  if (typeof value === 'string') return cut(value, bytes);
  if (Array.isArray(value)) return value.map((item) => shorten(item, bytes));
  if (!isObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, shorten(item, bytes)]));
}

function cut(text: string, bytes: number): string {
  // A character has at least a byte: a long text need not be measured whole.
  if (text.length <= bytes && sizeOf(text) <= bytes) return text;
  let end = 0;
  let size = Buffer.byteLength('…');
  for (const character of text) {
    size += sizeOf(character);
    if (size > bytes) break;
    end += character.length;
  }
  return `${text.slice(0, end)}…`;
}

/** Bytes of a text within JSON, without its quotes. */
function sizeOf(text: string): number {
  return Buffer.byteLength(safeJson(text)) - 2;
}

function pick(value: OcsfEvent, keys: readonly string[]): OcsfEvent {
  return Object.fromEntries(keys.filter((key) => value[key] !== undefined).map((key) => [key, value[key]]));
}

function without(value: OcsfEvent, ...keys: readonly string[]): OcsfEvent {
  return Object.fromEntries(Object.entries(value).filter(([key]) => !keys.includes(key)));
}

function objectAt(value: OcsfEvent, key: string): OcsfEvent {
  const inner = value[key];
  return isObject(inner) ? inner : {};
}

function isObject(value: unknown): value is OcsfEvent {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
