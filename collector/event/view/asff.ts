import type { OcsfEvent } from '../ocsf/ocsf.ts';
import { at, fieldsOf, firstOf, listOf, number, plain, stringsOf, text } from './fields.ts';
import type { EventFields } from './fields.ts';

/*
 * AWS Security Finding Format, version 2018-10-08:
 * https://docs.aws.amazon.com/securityhub/latest/userguide/securityhub-findings-format.html. Lengths are in characters.
 */

/** A finding of AWS Security Hub. */
export type AsffFinding = Readonly<Record<string, unknown>> & { readonly Id: string };

/** Whose findings they are. */
export interface AsffAccount {
  /** 12 digits. */
  readonly account: string;
  readonly region: string;
}

const MAX_ID = 512;
const MAX_TITLE = 256;
const MAX_DESCRIPTION = 1024;
const MAX_NAME = 128;
const MAX_RECOMMENDATION = 512;
const MAX_URL = 2048;
const MAX_RESOURCES = 32;
const MAX_REQUIREMENTS = 32;
const MAX_REQUIREMENT = 64;
/** Each attribute of `ProductFields` has at most 2048. */
const MAX_FIELD = 1024;
const MAX_EVIDENCES = 8;

/** By `severity_id` of OCSF: unknown, informational, low, medium, high, critical, fatal. */
const SEVERITY = ['INFORMATIONAL', 'INFORMATIONAL', 'LOW', 'MEDIUM', 'HIGH', 'CRITICAL', 'CRITICAL'] as const;

const COMPLIANCE: Readonly<Record<string, string>> = {
  Pass: 'PASSED',
  Fail: 'FAILED',
  Warning: 'WARNING',
  Unknown: 'NOT_AVAILABLE',
  'Not Applicable': 'NOT_AVAILABLE',
};

/** Tactics of ATT&CK that are categories of the namespace `TTPs`. */
const TACTICS: ReadonlySet<string> = new Set([
  'Initial Access',
  'Execution',
  'Persistence',
  'Privilege Escalation',
  'Credential Access',
  'Discovery',
  'Lateral Movement',
  'Collection',
  'Command and Control',
]);

/**
 * A finding of any class (2002, 2003, 2004) in this format; undefined for an event that is no finding. All events of a
 * finding have the same `Id`. One that is resolved or suppressed is `ARCHIVED`; its workflow status belongs to the customer, and Security Hub
 * sets it to `NEW` where an archived finding becomes active again.
 */
export function toAsff(event: OcsfEvent, { account, region }: AsffAccount): AsffFinding | undefined {
  const fields = fieldsOf(event);
  const { classUid, finding, rule } = fields;
  if (classUid < 2002 || classUid > 2004) return undefined;
  const info = at(event, 'finding_info');
  const partition = partitionOf(region);
  const firstMs = number(info, 'first_seen_time') ?? number(info, 'created_time') ?? fields.timeMs;
  const generator = rule.id || stringsOf(info, 'types')[0] || fields.className;
  return {
    SchemaVersion: '2018-10-08',
    Id: plain(`plimsoll/${finding.uid}`, MAX_ID),
    ProductArn: `arn:${partition}:securityhub:${region}:${account}:product/${account}/default`,
    ProductName: 'Plimsoll',
    CompanyName: 'Plimsoll',
    GeneratorId: plain(`plimsoll/${generator}`, MAX_ID),
    AwsAccountId: account,
    Region: region,
    CreatedAt: new Date(firstMs).toISOString(),
    FirstObservedAt: new Date(firstMs).toISOString(),
    UpdatedAt: new Date(Math.max(fields.timeMs, firstMs)).toISOString(),
    LastObservedAt: new Date(Math.max(number(info, 'last_seen_time') ?? 0, fields.timeMs, firstMs)).toISOString(),
    // What a provider changes later has to be in here, and without it on top a finding has it from here.
    FindingProviderFields: {
      Severity: {
        Label: SEVERITY[fields.severity] ?? 'INFORMATIONAL',
        Original: plain(fields.severityName || 'Unknown', 64),
      },
      Types: [typeOf(event, fields)],
    },
    Title: filled(finding.title || fields.message, MAX_TITLE),
    Description: filled(descriptionOf(event, fields), MAX_DESCRIPTION),
    ...remediationOf(event),
    ...(classUid === 2003 && { Compliance: complianceOf(event, fields) }),
    ...(classUid === 2002 && { Vulnerabilities: [vulnerabilityOf(event, fields)] }),
    Resources: resourcesOf(event, fields, { partition, region }),
    ProductFields: productFieldsOf(event, fields),
    RecordState: fields.activity === 'Close' || fields.status === 'Suppressed' ? 'ARCHIVED' : 'ACTIVE',
  };
}

function partitionOf(region: string): string {
  if (region.startsWith('cn-')) return 'aws-cn';
  return region.startsWith('us-gov-') ? 'aws-us-gov' : 'aws';
}

/** No text of a finding may be empty. */
function filled(value: string, maxLength: number): string {
  const shown = plain(value, maxLength);
  return shown.trim() === '' ? '-' : shown;
}

function typeOf(event: OcsfEvent, { classUid, techniques: [technique] }: EventFields): string {
  if (classUid === 2002) return 'Software and Configuration Checks/Vulnerabilities/CVE';
  // The namespace has the tactics of version 18.
  if (technique?.tactic === 'Defense Impairment') return 'TTPs/Defense Evasion';
  if (technique !== undefined && TACTICS.has(technique.tactic)) return `TTPs/${technique.tactic}`;
  return stringsOf(at(event, 'compliance'), 'requirements').some((one) => one.startsWith('cis-'))
    ? 'Software and Configuration Checks/Industry and Regulatory Standards/CIS Host Hardening Benchmarks'
    : 'Software and Configuration Checks';
}

function descriptionOf(event: OcsfEvent, { message, statusDetail }: EventFields): string {
  return [message, statusDetail, text(at(event, 'finding_info'), 'desc')].filter((part) => part !== '').join('. ');
}

function remediationOf(event: OcsfEvent): object {
  const remediation = at(event, 'remediation');
  const advice = text(remediation, 'desc');
  const url = stringsOf(remediation, 'references').find(
    (one) => /^https:\/\/[!-~]+$/.test(one) && one.length <= MAX_URL,
  );
  if (advice === '') return {};
  const recommendation = { Text: filled(advice, MAX_RECOMMENDATION), ...(url !== undefined && { Url: url }) };
  return { Remediation: { Recommendation: recommendation } };
}

function complianceOf(event: OcsfEvent, { compliance, statusDetail }: EventFields): object {
  const requirements = stringsOf(at(event, 'compliance'), 'requirements');
  return {
    Status: COMPLIANCE[compliance] ?? 'NOT_AVAILABLE',
    ...(requirements.length > 0 && {
      RelatedRequirements: requirements.slice(0, MAX_REQUIREMENTS).map((one) => filled(one, MAX_REQUIREMENT)),
    }),
    ...(statusDetail !== '' && {
      StatusReasons: [{ ReasonCode: 'PLIMSOLL', Description: filled(statusDetail, MAX_DESCRIPTION) }],
    }),
  };
}

function vulnerabilityOf(event: OcsfEvent, { vulnerability }: EventFields): object {
  const { id, score, package: name, version, fixedVersion } = vulnerability;
  const found = firstOf(event, 'vulnerabilities');
  const cvss = firstOf(at(found, 'cve'), 'cvss');
  const [scale, vector] = [text(cvss, 'version'), text(cvss, 'vector_string')];
  const manager = text(firstOf(found, 'affected_packages'), 'package_manager');
  return {
    Id: filled(id, MAX_NAME),
    ...(score !== undefined && {
      Cvss: [
        {
          BaseScore: score,
          ...(scale !== '' && { Version: plain(scale, MAX_NAME) }),
          ...(vector !== '' && { BaseVector: plain(vector, MAX_NAME) }),
        },
      ],
    }),
    VulnerablePackages: [
      {
        Name: filled(name, MAX_NAME),
        Version: filled(version, MAX_NAME),
        ...(fixedVersion !== '' && { FixedInVersion: filled(fixedVersion, MAX_NAME) }),
        ...(manager !== '' && { PackageManager: filled(manager, MAX_NAME) }),
      },
    ],
    FixAvailable: found['is_fix_available'] === true ? 'YES' : 'NO',
    ExploitAvailable: found['is_exploit_available'] === true ? 'YES' : 'NO',
  };
}

/** What the finding is about, and the node that it is on. */
function resourcesOf(
  event: OcsfEvent,
  fields: EventFields,
  { partition, region }: { readonly partition: string; readonly region: string },
): readonly object[] {
  const { node, container } = fields;
  const subjects = listOf(event, 'resources').map((resource): object => {
    const [uid = '', name = '', kind = ''] = ['uid', 'name', 'type'].map((key) => text(resource, key));
    const isContainer = kind === 'container';
    const known = uid === container.id ? container : undefined;
    return {
      Type: isContainer ? 'Container' : 'Other',
      Id: filled(`${node.name === '' ? '' : `${node.name}/`}${kind}/${uid || name}`, MAX_ID),
      Partition: partition,
      Region: region,
      Details: isContainer ? { Container: containerOf(name, known) } : otherOf({ kind, name }),
    };
  });
  const host =
    node.id === ''
      ? []
      : [
          {
            Type: 'Other',
            Id: filled(`node/${node.id}`, MAX_ID),
            Partition: partition,
            Region: region,
            Details: otherOf({ kind: 'node', name: node.name, os: node.os, kernel: node.kernel }),
          },
        ];
  const all = [...subjects.slice(0, MAX_RESOURCES - host.length), ...host];
  // At least one is required.
  return all.length > 0
    ? all
    : [{ Type: 'Other', Id: filled(fields.rule.id, MAX_ID), Partition: partition, Region: region }];
}

function containerOf(name: string, known: EventFields['container'] | undefined): object {
  return {
    ...(name !== '' && { Name: filled(name, MAX_NAME) }),
    ...(known !== undefined && known.runtime !== '' && { ContainerRuntime: filled(known.runtime, MAX_NAME) }),
    ...(known !== undefined && known.image !== '' && { ImageName: filled(known.image, MAX_NAME) }),
  };
}

function otherOf(values: Readonly<Record<string, string | undefined>>): object {
  const known = Object.entries(values).flatMap(([key, value = '']) =>
    value === '' ? [] : [[key, filled(value, MAX_FIELD)]],
  );
  return { Other: Object.fromEntries(known) };
}

function productFieldsOf(event: OcsfEvent, { uid, rule, node, action, status, statusDetail }: EventFields): object {
  const evidences = listOf(event, 'evidences').slice(0, MAX_EVIDENCES);
  const values: Readonly<Record<string, string>> = {
    EventUid: uid,
    Check: rule.id,
    Node: node.name,
    Verdict: text(at(event, 'unmapped'), 'verdict'),
    Cause: text(at(event, 'unmapped'), 'cause'),
    Action: action,
    Status: status,
    StatusDetail: statusDetail,
    ...Object.fromEntries(
      evidences.map((evidence, index) => {
        const [source, seen, expected] = ['source', 'seen', 'expected'].map((key) => text(at(evidence, 'data'), key));
        return [`Evidence${String(index + 1)}`, `${source ?? ''}: ${seen ?? ''} (expected: ${expected ?? ''})`];
      }),
    ),
  };
  const known = Object.entries(values).filter(([, value]) => value !== '');
  return Object.fromEntries(known.map(([key, value]) => [`plimsoll/${key}`, filled(value, MAX_FIELD)]));
}
