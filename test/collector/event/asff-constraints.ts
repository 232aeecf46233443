/*
 * What AWS Security Hub demands of a finding, written from its documentation ("AWS Security Finding Format (ASFF)", the
 * required attributes and the limits of BatchImportFindings, and the namespaces of the types taxonomy), not from the view.
 */

type Values = Readonly<Record<string, unknown>>;

const REQUIRED = [
  'AwsAccountId',
  'CreatedAt',
  'Description',
  'GeneratorId',
  'Id',
  'ProductArn',
  'Resources',
  'SchemaVersion',
  'Title',
  'UpdatedAt',
];
/** What BatchImportFindings cannot change once a finding exists, or wants in FindingProviderFields. */
const FORBIDDEN = [
  'Note',
  'UserDefinedFields',
  'VerificationState',
  'Workflow',
  'Severity',
  'Types',
  'Confidence',
  'Criticality',
];
const LENGTHS: Readonly<Record<string, number>> = {
  Id: 512,
  GeneratorId: 512,
  ProductArn: 2048,
  ProductName: 128,
  CompanyName: 128,
  Title: 256,
  Description: 1024,
  Text: 512,
  Url: 2048,
  Region: 16,
};
const TIMES = ['CreatedAt', 'UpdatedAt', 'FirstObservedAt', 'LastObservedAt'];
const NAMESPACES: Readonly<Record<string, readonly string[]>> = {
  'Software and Configuration Checks': [
    'Vulnerabilities',
    'AWS Security Best Practices',
    'Industry and Regulatory Standards',
    'Patch Management',
    'Software and Configuration Checks',
  ],
  TTPs: [
    'Initial Access',
    'Execution',
    'Persistence',
    'Privilege Escalation',
    'Defense Evasion',
    'Credential Access',
    'Discovery',
    'Lateral Movement',
    'Collection',
    'Command and Control',
  ],
};
const MAX_FINDING_BYTES = 240 * 1024;

const objectAt = (value: Values, key: string): Values => (value[key] ?? {}) as Values;
const listAt = (value: Values, key: string): readonly Values[] => (value[key] ?? []) as readonly Values[];

/** Everything that is wrong with a finding. */
export function asffIssues(finding: Values): readonly string[] {
  const issues: string[] = [];
  const check = (isRight: boolean, issue: string): void => void (isRight || issues.push(issue));
  for (const name of REQUIRED) check(finding[name] !== undefined, `${name} is missing`);
  for (const name of FORBIDDEN) check(finding[name] === undefined, `${name} is on top`);
  check(finding['SchemaVersion'] === '2018-10-08', 'SchemaVersion');
  check(/^\d{12}$/.test(String(finding['AwsAccountId'])), 'AwsAccountId');
  check(
    /^arn:aws(-cn|-us-gov)?:securityhub:[a-z0-9-]+:(\d{12}):product\/\2\/default$/.test(String(finding['ProductArn'])),
    'ProductArn',
  );
  for (const name of TIMES) {
    const text = String(finding[name]);
    check(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/.test(text) && !Number.isNaN(Date.parse(text)), name);
  }
  check(String(finding['UpdatedAt']) >= String(finding['CreatedAt']), 'updated before it was created');
  check(['ACTIVE', 'ARCHIVED'].includes(String(finding['RecordState'])), 'RecordState');
  const provider = objectAt(finding, 'FindingProviderFields');
  const severity = objectAt(provider, 'Severity');
  check(['INFORMATIONAL', 'LOW', 'MEDIUM', 'HIGH', 'CRITICAL'].includes(String(severity['Label'])), 'Severity.Label');
  check(String(severity['Original']).length <= 64, 'Severity.Original');
  const types = (provider['Types'] ?? []) as readonly string[];
  check(types.length >= 1 && types.length <= 50, 'Types');
  for (const type of types) {
    const [namespace = '', category, , ...more] = type.split('/');
    check(NAMESPACES[namespace] !== undefined && more.length === 0, `namespace of ${type}`);
    check(category === undefined || NAMESPACES[namespace]?.includes(category) === true, `category of ${type}`);
  }
  const resources = listAt(finding, 'Resources');
  check(resources.length >= 1 && resources.length <= 32, 'Resources');
  for (const resource of resources) {
    check(
      String(resource['Id']).length <= 512 && ['Container', 'Other'].includes(String(resource['Type'])),
      'Resource',
    );
    const other = Object.entries(objectAt(objectAt(resource, 'Details'), 'Other'));
    check(
      other.length <= 50 && other.every(([key, value]) => key.length <= 128 && String(value).length <= 1024),
      'Other',
    );
  }
  const { Compliance: compliance } = finding as { readonly Compliance?: Values };
  if (compliance !== undefined) {
    check(['PASSED', 'WARNING', 'FAILED', 'NOT_AVAILABLE'].includes(String(compliance['Status'])), 'Compliance.Status');
    check(listAt(compliance, 'RelatedRequirements').length <= 32, 'RelatedRequirements');
    check(
      listAt(compliance, 'StatusReasons').every(({ ReasonCode: code }) => /^[A-Z_]+$/.test(String(code))),
      'StatusReasons',
    );
  }
  const fields = Object.entries(objectAt(finding, 'ProductFields'));
  check(fields.length <= 50, 'ProductFields');
  check(
    fields.every(([key, value]) => /^[\w ./=+@-]{1,128}$/.test(key) && String(value).length <= 2048),
    'a field of ProductFields',
  );
  check(Buffer.byteLength(JSON.stringify(finding)) <= MAX_FINDING_BYTES, 'its size');
  walk(finding, '', (path, text) => {
    const limit = LENGTHS[path.split('.').at(-1) ?? ''];
    check(text.trim() !== '', `${path} is empty`);
    check(limit === undefined || text.length <= limit, `${path} has ${String(text.length)} characters`);
    check(!/[\p{Cc}\p{Cs}]/u.test(text), `${path} has a control character or half of a pair`);
  });
  return issues;
}

function walk(value: unknown, path: string, visit: (path: string, text: string) => void): void {
  if (typeof value === 'string') visit(path, value);
  else if (typeof value === 'object' && value !== null)
    for (const [key, inner] of Object.entries(value))
      walk(inner, Array.isArray(value) ? path : `${path}.${key}`, visit);
}
