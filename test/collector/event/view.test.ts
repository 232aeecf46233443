import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import t from 'tap';
import { safe } from '../../../api/safe.ts';
import { toText } from '../../../collector/event/line.ts';
import type { OcsfEvent } from '../../../collector/event/ocsf/ocsf.ts';
import { toAsff } from '../../../collector/event/view/asff.ts';
import { plain } from '../../../collector/event/view/fields.ts';
import { viewOf } from '../../../collector/event/view/view.ts';
import { ROOT } from '../../../scripts/setup.mjs';
import { asffIssues } from './asff-constraints.ts';

/*
 * Each view is read back by a parser that is written from the specification of its format, for events whose texts are
 * hostile: separators, escapes, control characters, halves of surrogate pairs, 64 KiB.
 */

const OCSF = join(ROOT, '..', 'shared', 'ocsf', 'required.json');
const page = readFileSync(join(ROOT, 'docs', 'events.md'), 'utf8');
const SAMPLES = (/```ndjson\n([^`]*)```/.exec(page)?.[1] ?? '')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as OcsfEvent);

/** A failed finding. */
const FAILURE = SAMPLES.find(({ class_uid: uid }) => uid === 2003) ?? {};

const HOSTILE = [
  'a|b=c\\d',
  '\\',
  '\\\\=|',
  '=',
  '||',
  'x\ny\rz\r\n',
  '\ttab\t',
  '\u0000',
  '\u001b[31m',
  '\ud800',
  '\udc00x',
  '\u202e',
  '\u2028',
  '\uffff',
  'msg=forged act=allowed',
  ' CEF:0|x|y|1|2|3|10|msg=forged',
  'é漢😀',
  ' spaces ',
  '',
];
const hostile = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(...HOSTILE) },
  { weight: 3, arbitrary: fc.string({ unit: 'binary', maxLength: 40 }) },
  { weight: 3, arbitrary: fc.array(fc.constantFrom(...HOSTILE), { maxLength: 6 }).map((parts) => parts.join('')) },
  // One attribute in some events: safe JSON of megabytes takes seconds.
  { weight: 1, arbitrary: fc.constantFrom(...HOSTILE).map((text) => `long ${text}`) },
);

/** Attributes that the collector chooses itself, never a node. */
const OWN = new Set(['activity_name', 'class_name', 'category_name', 'type_name', 'severity', 'version', 'uid']);

const LONG = 65_536;

/** A copy of an event whose other texts come from `next`. */
function poisoned(value: unknown, next: () => string, key = ''): unknown {
  if (typeof value === 'string') return OWN.has(key) ? value : next();
  if (Array.isArray(value)) return value.map((item) => poisoned(item, next, key));
  if (typeof value !== 'object' || value === null) return value;
  const isMetadata = key === 'metadata';
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [name, isMetadata ? inner : poisoned(inner, next, name)]),
  );
}

function fuzz(check: (event: OcsfEvent) => void): void {
  const arbitrary = fc.tuple(fc.constantFrom(...SAMPLES), fc.array(hostile, { minLength: 1, maxLength: 5 }));
  fc.assert(
    fc.property(arbitrary, ([sample, texts]) => {
      let [index, hasLong] = [0, false];
      const next = (): string => {
        const text = texts[(index += 1) % texts.length] ?? '';
        if (!text.startsWith('long ') || hasLong) return text;
        hasLong = true;
        return text.repeat(LONG / text.length);
      };
      check(poisoned(sample, next) as OcsfEvent);
    }),
    { numRuns: 60 },
  );
}

/** No line feed, control, bidirectional control or half of a surrogate pair. */
// oxlint-disable-next-line no-control-regex -- this is what is looked for
const RAW = /[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u2028-\u202e\ud800-\udfff\uffff]/u;

function at(event: OcsfEvent, ...path: readonly (string | number)[]): string {
  const found = path.reduce<unknown>((inner, key) => (inner as Record<string, unknown> | undefined)?.[key], event);
  return typeof found === 'string' ? found : '';
}

/** Is this all of a text, or as much of its beginning as fits? An escape, the longest unit, has ten characters. */
function isBeginning(value: string, text: string, maxLength: number): boolean {
  return value === text || (text.startsWith(value) && value.length <= maxLength && value.length > maxLength - 20);
}

/** CEF revision 27: header fields end at a `|` without a backslash, keys of the extension at such a `=`. */
function parseCef(line: string): { header: readonly string[]; extension: ReadonlyMap<string, string> } {
  const header: string[] = [];
  let [field, place] = ['', 0];
  for (; place < line.length && header.length < 7; place += 1) {
    const letter = line.charAt(place);
    if (letter === '\\') {
      const next = line.charAt((place += 1));
      if (next !== '\\' && next !== '|') throw new Error(`bad escape \\${next} in the header`);
      field += next;
    } else if (letter === '|') {
      header.push(field);
      field = '';
    } else field += letter;
  }
  if (header.length !== 7) throw new Error('the header has not seven fields');
  const extension = new Map<string, string>();
  let [key, value]: [string | undefined, string] = [undefined, ''];
  const end = (text: string): void => {
    if (key === undefined) return;
    if (extension.has(key)) throw new Error(`${key} is there twice`);
    extension.set(key, text);
  };
  for (; place < line.length; place += 1) {
    const letter = line.charAt(place);
    if (letter === '\\') {
      const next = line.charAt((place += 1));
      const meant = { '\\': '\\', '=': '=', n: '\n', r: '\r' }[next];
      if (meant === undefined) throw new Error(`bad escape \\${next} in a value`);
      value += meant;
    } else if (letter === '=') {
      const space = value.lastIndexOf(' ');
      end(value.slice(0, Math.max(0, space)));
      [key, value] = [value.slice(space + 1), ''];
      if (!/^[A-Za-z0-9_.]+$/.test(key)) throw new Error(`bad key ${key}`);
    } else value += letter;
  }
  end(value);
  return { header, extension };
}

/** Longest values in characters: the dictionaries of CEF revision 27. */
const CEF_LIMITS: Readonly<Record<string, number>> = {
  externalId: 40,
  deviceExternalId: 255,
  dvchost: 100,
  cat: 1023,
  act: 63,
  outcome: 63,
  reason: 1023,
  msg: 1023,
  suser: 1023,
  shost: 1023,
  cs1: 4000,
  cs2: 4000,
  cs3: 4000,
  cs4: 4000,
  cs5: 4000,
  cs6: 4000,
};

void t.test('a text is cut between characters and between escapes', (t) => {
  const rows = [
    ['ab\u202ecd', 8, 'ab\\u202e'],
    ['ab\u202ecd', 7, 'ab'],
    ['ab\ncd', 3, 'ab'],
    ['ab\u001bcd', 5, 'ab'],
    ['a\u{e0041}b', 9, 'a'],
    ['ab😀', 3, 'ab'],
    ['ab\\cd', 3, 'ab\\'],
    ['\u202e'.repeat(1000), 1023, '\\u202e'.repeat(170)],
  ] as const;
  for (const [text, length, expected] of rows) t.equal(plain(text, length), expected);
  t.end();
});

void t.test('CEF is read back', (t) => {
  const toCef = viewOf('cef');
  fuzz((event) => {
    const line = toText(toCef(event));
    if (RAW.test(line) || line.includes('\t')) throw new Error('a raw control character');
    const { header, extension } = parseCef(line);
    const [version, vendor, product, , classId = '', name = '', severity = ''] = header;
    if (`${String(version)} ${String(vendor)} ${String(product)}` !== 'CEF:0 Plimsoll Plimsoll')
      throw new Error('header');
    if (classId.length > 1023 || name.length > 512) throw new Error('a header field is too long');
    if (!/^(?:10|\d|Unknown)$/.test(severity)) throw new Error(`severity ${severity}`);
    for (const [key, value] of extension)
      if (value.length > (CEF_LIMITS[key] ?? 1023) || value === '') throw new Error(`${key}: ${String(value.length)}`);
    const message = at(event, 'message') || at(event, 'finding_info', 'title');
    if (!isBeginning(extension.get('msg') ?? '', safe(message).trim(), 1023))
      throw new Error('the message is not what it was');
    if (extension.get('externalId') !== at(event, 'metadata', 'uid')) throw new Error('the id is not what it was');
  });
  for (const [message, expected] of [
    ['\u2028', '\\u2028'],
    ['\n', '\\n'],
    ['  ', undefined],
  ] as const)
    t.equal(
      parseCef(toText(toCef({ ...FAILURE, message }))).extension.get('msg'),
      expected,
      'what can be seen is kept',
    );
  t.match(parseCef(toText(toCef(FAILURE))).header, [
    'CEF:0',
    'Plimsoll',
    'Plimsoll',
    '0.1.0',
    'container.privileged',
    'The container is not privileged',
    '9',
  ]);
  t.end();
});

void t.test('LEEF 2.0 is read back', (t) => {
  const toLeef = viewOf('leef');
  fuzz((event) => {
    const line = toText(toLeef(event));
    if (RAW.test(line)) throw new Error('a raw control character');
    const [version, vendor, product, , eventId = '', delimiter, ...rest] = line.split('|');
    if (`${String(version)} ${String(vendor)} ${String(product)}` !== 'LEEF:2.0 Plimsoll Plimsoll')
      throw new Error('header');
    if (delimiter !== 'x09' || eventId === '' || eventId.length > 255) throw new Error('event id or delimiter');
    const attributes = new Map<string, string>();
    for (const pair of rest.join('|').split('\t')) {
      const equals = pair.indexOf('=');
      const key = pair.slice(0, equals);
      if (!/^[A-Za-z]+$/.test(key) || attributes.has(key)) throw new Error(`bad key ${key}`);
      attributes.set(key, pair.slice(equals + 1));
    }
    if (!/^\d{13}$/.test(attributes.get('devTime') ?? '')) throw new Error('devTime');
    if (!/^(?:10|[1-9])$/.test(attributes.get('sev') ?? '')) throw new Error('sev');
    if ((attributes.get('identHostName') ?? '').length > 255 || (attributes.get('usrName') ?? '').length > 255)
      throw new Error('a value is too long');
    const name = at(event, 'device', 'name');
    if (!isBeginning(attributes.get('identHostName') ?? '', safe(name), 255))
      throw new Error('the host is not what it was');
  });
  t.pass('read back');
  t.end();
});

/** Allowed values of event.type by event.category: https://www.elastic.co/docs/reference/ecs/ecs-allowed-values-event-category */
const ECS_TYPES: Readonly<Record<string, readonly string[]>> = {
  api: ['access', 'admin', 'allowed', 'change', 'creation', 'deletion', 'denied', 'end', 'info', 'start', 'user'],
  configuration: ['access', 'change', 'creation', 'deletion', 'info'],
  host: ['access', 'change', 'end', 'info', 'start'],
  intrusion_detection: ['allowed', 'denied', 'info'],
  package: ['access', 'change', 'deletion', 'info', 'installation', 'start'],
  vulnerability: ['info'],
};
const ECS_KINDS = new Set(['alert', 'asset', 'enrichment', 'event', 'metric', 'state', 'pipeline_error', 'signal']);

void t.test('ECS has the allowed values, and the OCSF event beside it', (t) => {
  interface Ecs {
    readonly '@timestamp': string;
    readonly event: { kind: string; category: string[]; type: string[]; outcome?: string; id: string };
    readonly ocsf: OcsfEvent;
  }
  fuzz((event) => {
    const line = toText(viewOf('ecs')(event));
    if (/[^ -~\u00a0-\u{10ffff}]/u.test(line)) throw new Error('a raw control character');
    const { event: about, ocsf, '@timestamp': time } = JSON.parse(line) as Ecs;
    if (!ECS_KINDS.has(about.kind)) throw new Error(about.kind);
    for (const category of about.category)
      for (const type of about.type)
        if (ECS_TYPES[category]?.includes(type) !== true) throw new Error(`${category} ${type}`);
    if (about.outcome !== undefined && !['success', 'failure', 'unknown'].includes(about.outcome))
      throw new Error('outcome');
    if (new Date(time).getTime() !== event['time'] || about.id !== at(event, 'metadata', 'uid'))
      throw new Error('id or time');
    if (JSON.stringify(ocsf) !== JSON.stringify(event)) throw new Error('the event is not what it was');
  });
  const failed = viewOf('ecs')(FAILURE);
  t.match(failed, {
    event: { kind: 'state', outcome: 'failure' },
    rule: { id: 'container.privileged', reference: undefined },
    labels: { control: at(FAILURE, 'compliance', 'control') },
    host: { id: 'n1' },
  });
  t.end();
});

void t.test('CloudEvents 1.0 has valid attributes', (t) => {
  fuzz((event) => {
    const made = JSON.parse(toText(viewOf('cloudevents')(event))) as Record<string, unknown>;
    const { data, ...attributes } = made;
    if (JSON.stringify(data) !== JSON.stringify(event)) throw new Error('the event is not what it was');
    for (const [name, value] of Object.entries(attributes)) {
      if (!/^[a-z0-9]{1,20}$/.test(name)) throw new Error(`attribute ${name}`);
      // Strings without control characters, surrogates and noncharacters (section 3.1 of the specification).
      if (typeof value !== 'string' || value === '' || RAW.test(value)) throw new Error(`value of ${name}`);
    }
    for (const name of ['specversion', 'id', 'source', 'type'])
      if (attributes[name] === undefined) throw new Error(`${name} is required`);
    if (attributes['specversion'] !== '1.0' || attributes['datacontenttype'] !== 'application/json')
      throw new Error('version');
    if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/.test(String(attributes['time']))) throw new Error('time');
  });
  t.match(viewOf('cloudevents')(FAILURE), { type: 'plimsoll.compliance_finding.create' });
  if (existsSync(OCSF)) {
    const { classes } = JSON.parse(readFileSync(OCSF, 'utf8')) as { classes: Record<string, { name: string }> };
    for (const event of SAMPLES) {
      const name = classes[String(event['class_uid'])]?.name ?? '';
      t.match(viewOf('cloudevents')(event), { dataschema: `https://schema.ocsf.io/1.8.0/classes/${name}` });
    }
  }
  t.end();
});

void t.test('Falco outputs have what Falcosidekick needs', (t) => {
  const priorities = new Set([
    'Emergency',
    'Alert',
    'Critical',
    'Error',
    'Warning',
    'Notice',
    'Informational',
    'Debug',
  ]);
  const uuids = new Set<string>();
  fuzz((event) => {
    const made = viewOf('falco')(event) as Record<string, unknown>;
    const { uuid, output, priority, rule, time, output_fields: fields, source, tags, hostname } = made;
    if (!/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(String(uuid)))
      throw new Error('uuid');
    uuids.add(String(uuid));
    if (!priorities.has(String(priority)) || source !== 'plimsoll') throw new Error('priority or source');
    for (const text of [output, rule, hostname])
      if (typeof text !== 'string' || text === '') throw new Error('a text is empty');
    if (Number.isNaN(Date.parse(String(time))) || !Array.isArray(tags) || tags.includes(''))
      throw new Error('time or tags');
    const values = Object.values(fields as Record<string, unknown>);
    if (values.length === 0 || values.some((value) => typeof value !== 'string' && typeof value !== 'number'))
      throw new Error('fields');
  });
  t.ok(uuids.size > 1 && uuids.size <= SAMPLES.length, 'one id for each event, however often it is sent');
  t.end();
});

void t.test('findings of Security Hub keep to its limits, and only findings become some', (t) => {
  const to = { account: '111122223333', region: 'eu-central-1' };
  fuzz((event) => {
    const finding = toAsff(event, to);
    const isFinding = [2002, 2003, 2004].includes(Number(event['class_uid']));
    if ((finding !== undefined) !== isFinding) throw new Error(`class ${String(event['class_uid'])}`);
    const issues = finding === undefined ? [] : asffIssues(finding);
    if (issues.length > 0) throw new Error(issues.join(', '));
  });
  const found = toAsff(FAILURE, to);
  t.match(found, {
    Id: `plimsoll/${at(FAILURE, 'finding_info', 'uid')}`,
    ProductArn: 'arn:aws:securityhub:eu-central-1:111122223333:product/111122223333/default',
    Title: at(FAILURE, 'finding_info', 'title'),
    Compliance: { Status: 'FAILED' },
    RecordState: 'ACTIVE',
    ProductFields: { 'plimsoll/EventUid': at(FAILURE, 'metadata', 'uid') },
  });
  const closed = toAsff({ ...FAILURE, activity_name: 'Close', compliance: { status: 'Pass' } }, to);
  t.match(closed, { Id: found?.Id, RecordState: 'ARCHIVED', Compliance: { Status: 'PASSED' } });
  const unseen = toAsff({ ...FAILURE, compliance: { status: 'Unknown' } }, to);
  t.match(unseen, { RecordState: 'ACTIVE', Compliance: { Status: 'NOT_AVAILABLE' } }, 'a fault resolves nothing');
  t.match(toAsff(FAILURE, { ...to, region: 'us-gov-west-1' }), { ProductArn: /^arn:aws-us-gov:/ });
  t.match(toAsff(FAILURE, { ...to, region: 'cn-north-1' }), { ProductArn: /^arn:aws-cn:/ });
  t.end();
});
