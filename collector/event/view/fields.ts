import { safe } from '../../../api/safe.ts';
import type { OcsfEvent } from '../ocsf/ocsf.ts';

/** What all views show of an OCSF event. Texts are empty where the event has none. */
export interface EventFields {
  readonly uid: string;
  readonly timeMs: number;
  readonly loggedMs: number;
  readonly version: string;
  readonly classUid: number;
  readonly className: string;
  readonly activity: string;
  /** 0 (unknown) to 6. */
  readonly severity: number;
  readonly severityName: string;
  readonly status: string;
  readonly statusDetail: string;
  readonly message: string;
  readonly action: string;
  readonly finding: { readonly uid: string; readonly title: string };
  /** Id and name of the check or the detection. */
  readonly rule: { readonly id: string; readonly name: string };
  readonly compliance: string;
  readonly benchmark: string;
  readonly control: string;
  readonly node: { readonly id: string; readonly name: string; readonly os: string; readonly kernel: string };
  readonly container: { readonly id: string; readonly name: string; readonly runtime: string; readonly image: string };
  readonly resource: { readonly id: string; readonly name: string; readonly type: string };
  readonly user: string;
  readonly address: string;
  readonly vulnerability: {
    readonly id: string;
    readonly score: number | undefined;
    readonly package: string;
    readonly version: string;
    readonly fixedVersion: string;
  };
  readonly techniques: readonly { readonly id: string; readonly name: string; readonly tactic: string }[];
}

/** Reads the fields of an event. Absent ones, and those of an unexpected type, are empty. */
export function fieldsOf(event: OcsfEvent): EventFields {
  const metadata = at(event, 'metadata');
  const finding = at(event, 'finding_info');
  const analytic = at(finding, 'analytic');
  const device = at(event, 'device');
  const os = at(device, 'os');
  const container = at(firstOf(event, 'evidences'), 'container');
  const resource = firstOf(event, 'resources');
  const compliance = at(event, 'compliance');
  const requirement = stringsOf(compliance, 'requirements').at(-1) ?? '';
  const vulnerability = firstOf(event, 'vulnerabilities');
  const found = firstOf(vulnerability, 'affected_packages');
  const cve = at(vulnerability, 'cve');
  return {
    uid: text(metadata, 'uid'),
    timeMs: number(event, 'time') ?? 0,
    loggedMs: number(metadata, 'logged_time') ?? number(event, 'time') ?? 0,
    version: text(at(metadata, 'product'), 'version'),
    classUid: number(event, 'class_uid') ?? 0,
    className: text(event, 'class_name'),
    activity: text(event, 'activity_name'),
    severity: number(event, 'severity_id') ?? 0,
    severityName: text(event, 'severity'),
    status: text(event, 'status'),
    statusDetail: text(event, 'status_detail'),
    message: text(event, 'message') || text(finding, 'title'),
    action: text(event, 'action'),
    finding: { uid: text(finding, 'uid'), title: text(finding, 'title') },
    rule: { id: text(analytic, 'uid'), name: text(analytic, 'name') },
    compliance: text(compliance, 'status'),
    benchmark: requirement.split(' ', 1)[0] ?? '',
    control: text(compliance, 'control'),
    node: {
      id: text(device, 'uid'),
      name: text(device, 'name'),
      os: text(os, 'name'),
      kernel: text(os, 'kernel_release'),
    },
    container: {
      id: text(container, 'uid'),
      name: text(container, 'name'),
      runtime: text(container, 'runtime'),
      image: text(at(container, 'image'), 'name') || text(at(container, 'image'), 'uid'),
    },
    resource: { id: text(resource, 'uid'), name: text(resource, 'name'), type: text(resource, 'type') },
    user: text(at(at(event, 'actor'), 'user'), 'name') || text(at(at(event, 'actor'), 'user'), 'uid'),
    address: text(at(event, 'src_endpoint'), 'ip'),
    vulnerability: {
      id: text(cve, 'uid') || text(at(vulnerability, 'advisory'), 'uid'),
      score: number(firstOf(cve, 'cvss'), 'base_score'),
      package: text(found, 'name'),
      version: text(found, 'version'),
      fixedVersion: text(found, 'fixed_in_version'),
    },
    techniques: listOf(finding, 'attacks').map((attack) => {
      const technique = at(attack, 'sub_technique')['uid'] === undefined ? 'technique' : 'sub_technique';
      const { [technique]: chosen } = attack;
      const named = isObject(chosen) ? chosen : {};
      return { id: text(named, 'uid'), name: text(named, 'name'), tactic: text(at(attack, 'tactic'), 'name') };
    }),
  };
}

/**
 * A text as formats without escapes of their own take it: one line, unsafe characters as visible escapes, cut between
 * characters and escapes.
 */
export function plain(value: string, maxLength: number): string {
  const text = safe(cut(value, maxLength));
  if (text.length <= maxLength) return text;
  let kept = '';
  for (const character of value) {
    const shown = safe(character);
    if (kept.length + shown.length > maxLength) break;
    kept += shown;
  }
  return kept;
}

/** At most this many UTF-16 units, without half of a surrogate pair at the end. */
export function cut(value: string, maxLength: number): string {
  return value.length <= maxLength ? value : value.slice(0, maxLength).replace(/[\ud800-\udbff]$/, '');
}

/** The object at `key`; empty if absent. */
export function at(value: OcsfEvent, key: string): OcsfEvent {
  const inner = value[key];
  return isObject(inner) ? inner : {};
}

/** The objects of the list at `key`. */
export function listOf(value: OcsfEvent, key: string): readonly OcsfEvent[] {
  const inner: unknown = value[key];
  return Array.isArray(inner) ? inner.filter(isObject) : [];
}

/** The first object of the list at `key`; empty if absent. */
export function firstOf(value: OcsfEvent, key: string): OcsfEvent {
  return listOf(value, key)[0] ?? {};
}

/** The texts of the list at `key`. */
export function stringsOf(value: OcsfEvent, key: string): readonly string[] {
  const inner: unknown = value[key];
  return Array.isArray(inner) ? inner.filter((one) => typeof one === 'string') : [];
}

/** The text at `key`; empty if absent. */
export function text(value: OcsfEvent, key: string): string {
  const inner = value[key];
  return typeof inner === 'string' ? inner : '';
}

/** The number at `key`. */
export function number(value: OcsfEvent, key: string): number | undefined {
  const inner = value[key];
  return typeof inner === 'number' ? inner : undefined;
}

function isObject(value: unknown): value is OcsfEvent {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
