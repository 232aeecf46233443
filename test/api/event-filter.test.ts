import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { compileEventFilter } from '../../api/event-filter.ts';
import { eventType } from '../../api/event-type.ts';
import type { CelType } from '../../posture/query/type.ts';
import { ROOT } from '../../scripts/setup.mjs';

type Json = Readonly<Record<string, unknown>>;

/** Events of all classes, as the manual shows them. */
const page = readFileSync(join(ROOT, 'docs', 'events.md'), 'utf8');
const SAMPLES = (/```ndjson\n([^`]*)```/.exec(page)?.[1] ?? '')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as Json);
const FAILURE = SAMPLES.find(({ class_uid: uid }) => uid === 2003) ?? {};

/** true, false, or `?` with the reason; `✗` and the problem where it does not compile. */
function judge(text: string, event: Json = FAILURE): unknown {
  const compiled = compileEventFilter(text);
  if (!compiled.ok) return `✗ ${compiled.problem}`;
  const holds = compiled.filter.holds(event);
  return holds.known ? holds.value : `? ${holds.reason}`;
}

await t.test('conditions about events', async (t) => {
  const event = {
    ...FAILURE,
    severity_id: 4,
    severity: 'High',
    vulnerabilities: [{ cve: { uid: 'CVE-1', cvss: [{ base_score: 7 }] } }],
    unmapped: { verdict: 'fail', containers: 3 },
  };
  for (const [text, expected] of [
    ['event.class_uid == 2003 && event.severity_id >= 4', true],
    ['event.severity in ["High", "Critical"]', true],
    ['event.device.hostname.startsWith("no-such-")', false],
    ['event.vulnerabilities.exists(v, v.cve.cvss.exists(c, c.base_score > 6.5))', true],
    ['event.unmapped.containers > 2', true],
    ['event.unmapped["verdict"] == "pass"', false],
    ['has(event.api) && event.api.operation == "session"', false],
    ['event.time > 0', true],
    // Not known: absent, or without a value.
    ['event.api.operation.startsWith("s")', /^\? .*absent/],
    ['int(event.device.hostname) > 3', /^\? .*int/],
    ['event.unmapped.containers / 0 == 1', /^\? /],
    ['lists.range(100000).all(x, x >= 0) && event.severity_id > 0', /^\? .*too expensive/],
    // Wrong, with the place.
    ['event.severty == "High"', '✗ event has no field `severty`; did you mean `severity`? (at character 7)'],
    ['event.severity == "Hihg"', /^✗ `Hihg` is not a possible value.*did you mean `High`\? \(at character 19\)/],
    ['evnt.severity == "High"', /^✗ .*`evnt`; did you mean `event`\? \(at character 1\)/],
    ['event.severity_id', /^✗ .*true or false/],
    ['event.severity_id == "4"', /^✗ /],
    ['true', /^✗ .*does not name/],
    ['event.severity_id >=', /^✗ /],
    [`event.message == "${'x'.repeat(5000)}"`, /^✗ .*4096/],
  ] as const)
    if (expected instanceof RegExp) t.match(judge(text, event), expected, text);
    else t.equal(judge(text, event), expected, text);
});

await t.test('no event makes a filter throw, or passes for a value of the language', async (t) => {
  let deep: unknown = 'x';
  for (let level = 0; level < 100; level += 1) deep = [deep];
  for (const event of [
    {},
    JSON.parse('{"device": {"__proto__": {"hostname": "a"}}}') as Json,
    { device: 3 },
    { device: null },
    { device: { hostname: { path: 'a', reason: 'b' } } },
    { unmapped: deep },
    { device: { hostname: '\ud800' } },
    { device: { hostname: 'a'.repeat(2_000_000) } },
  ])
    t.doesNotThrow(() => judge('event.device.hostname == "web-1" || event.unmapped.x == 1', event));
  t.not(
    judge('event.device.hostname == "a"', JSON.parse('{"device": {"__proto__": {"hostname": "a"}}}') as Json),
    true,
  );
});

await t.test('a filter that hides that findings are resolved is detected, whatever else it asks', async (t) => {
  const groups = (text: string): readonly string[] => {
    const compiled = compileEventFilter(text);
    return compiled.ok ? compiled.filter.hiddenResolutions.map(({ group }) => group) : [compiled.problem];
  };
  for (const [text, expected] of [
    ['event.status == "New"', ['findings', 'vulnerabilities']],
    ['event.activity_id != 3', ['findings', 'vulnerabilities']],
    ['event.type_uid == 200301', ['findings']],
    ['event.compliance.status == "Fail"', ['findings']],
    ['event.unmapped.verdict == "fail" && event.device.hostname.startsWith("prod-")', ['findings']],
    ['event.class_uid != 2003 || event.compliance.status_id == 3', ['findings']],
    // Open and resolved alike.
    ['event.severity_id >= 4', []],
    ['event.device.hostname == "web-1"', []],
    ['event.status == "Resolved" || event.compliance.status == "Fail"', []],
    ['event.class_uid == 2002 || event.status in ["New", "Resolved"]', []],
    ['event.class_uid == 2004', []],
    ['event.status == "Resolved"', []],
  ] as const)
    t.strictSame(groups(text), expected, text);
});

/** Paths of a value that the type has not, or has of another kind. */
function differences(value: unknown, type: CelType | undefined, path: string): readonly string[] {
  if (type === undefined) return [`${path} is unknown`];
  if (type.kind === 'dyn' || type.kind === 'map') return [];
  if (Array.isArray(value))
    return type.kind === 'list'
      ? value.flatMap((item) => differences(item, type.item, `${path}[]`))
      : [`${path} is a list`];
  if (typeof value === 'object' && value !== null)
    return type.kind === 'object'
      ? Object.entries(value).flatMap(([name, inner]) => differences(inner, type.fields.get(name), `${path}.${name}`))
      : [`${path} is an object`];
  const kinds = { string: ['string'], number: ['int', 'double'], boolean: ['bool'] } as Readonly<
    Record<string, readonly string[]>
  >;
  if (type.kind === 'string' && type.words !== undefined && !type.words.includes(String(value)))
    return [`${path} is ${String(value)}`];
  return kinds[typeof value]?.includes(type.kind) === true ? [] : [`${path} is no ${type.kind}`];
}

await t.test('the type has every attribute of every event in the manual', async (t) => {
  t.ok(SAMPLES.length >= 14);
  for (const sample of SAMPLES)
    t.strictSame(differences(sample, eventType(), 'event'), [], String(sample['class_name']));
});

const OCSF = join(ROOT, '..', 'shared', 'ocsf', 'required.json');
const skip = existsSync(OCSF) ? false : 'the facts of the OCSF schema are absent';

await t.test('each attribute is one of OCSF, of that kind', { skip }, async (t) => {
  type Attributes = Readonly<Record<string, readonly [string, string]>>;
  interface Schema {
    readonly types: Readonly<Record<string, { readonly type?: string }>>;
    readonly classes: Readonly<Record<string, { readonly attrs: Attributes }>>;
    readonly objects: Readonly<Record<string, { readonly attrs: Attributes }>>;
  }
  const schema = JSON.parse(readFileSync(OCSF, 'utf8')) as Schema;
  const ofClasses = Object.assign({}, ...Object.values(schema.classes).map(({ attrs }) => attrs)) as Attributes;
  const BASE: Readonly<Record<string, string>> = {
    string_t: 'string',
    integer_t: 'int',
    long_t: 'int',
    timestamp_t: 'int',
    float_t: 'double',
    boolean_t: 'bool',
    json_t: 'dyn',
  };
  const check = (type: CelType, attributes: Attributes, path: string): readonly string[] =>
    type.kind !== 'object'
      ? []
      : [...type.fields].flatMap(([name, inner]) => {
          const [, ocsf = ''] = attributes[name] ?? [];
          const at = `${path}.${name}`;
          if (ocsf === '') return [`${at} is not in OCSF`];
          const isList = ocsf.endsWith('[]');
          if (isList !== (inner.kind === 'list')) return [`${at} is ${ocsf}`];
          const item = inner.kind === 'list' ? inner.item : inner;
          const one = isList ? ocsf.slice(0, -2) : ocsf;
          if (one.startsWith('$')) return check(item, schema.objects[one.slice(1)]?.attrs ?? {}, at);
          const base = schema.types[one]?.type ?? one;
          return BASE[base] === item.kind ? [] : [`${at} is ${base}, not ${item.kind}`];
        });
  t.strictSame(check(eventType(), ofClasses, 'event'), []);
});
